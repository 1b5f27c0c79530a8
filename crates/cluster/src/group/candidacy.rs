//! Who may stand for election, and who would be voted for.
//!
//! openraft 0.9 has no pre-vote (Ongaro, *Consensus: Bridging Theory and Practice*, 9.6). Without it, a member
//! that lags behind a change of members asks voters of old for their votes, who are no members any more, and
//! with its higher term deposes the leader that was about to bring it up to date: again and again. So a member
//! asks first whether a majority would vote for it, which changes nothing, and stands only if so.
//!
//! A node whose copy was dropped, and that has one again, has forgotten what it knew of the group. It votes
//! only for those that know at least where it had left, and does not stand before it knows that itself: or a
//! majority of the members of old could elect one that lacks what the members since have agreed on.

use futures::stream::{FuturesUnordered, StreamExt};
use openraft::{LogId, Raft, RaftMetrics, ServerState, Vote};
use tokio::time::timeout;
use tonic::Code;
use vectra_wire::v1;

use super::election_gate::ElectionGate;
use crate::log::{GroupConfig, GroupLog};
use crate::network::{Lease, Network, log_id_to_wire, raft_client};
use crate::{NodeId, RaftTiming};

/// One member of a group, as far as elections go. Clones share it.
#[derive(Clone)]
pub(crate) struct Candidacy<C: GroupConfig> {
    pub(super) node: NodeId,
    pub(super) group: u64,
    pub(super) raft: Raft<C>,
    pub(super) log: GroupLog<C>,
    pub(super) network: Network,
    pub(super) lease: Lease,
    pub(super) timing: RaftTiming,
    pub(super) gate: ElectionGate,
}

type Metrics = RaftMetrics<NodeId, openraft::BasicNode>;

impl<C: GroupConfig> Candidacy<C> {
    /// A message of the leader of this vote has arrived, which raft may be slow to handle.
    pub(crate) fn heard(&self, vote: Vote<NodeId>) {
        // One that was deposed may go on for as long as nobody's answer reaches it.
        if vote >= self.raft.metrics().borrow().vote {
            self.gate.heard();
        }
    }

    /// Where this node had left the group, if a candidate whose log ends so does not know of that: it must
    /// not have this node's vote.
    pub(crate) fn forbids(&self, last_log: Option<LogId<NodeId>>) -> Option<LogId<NodeId>> {
        self.log.left().filter(|left| last_log < Some(*left))
    }

    /// Whether this member knows as much as it did before its copy was dropped, if one ever was: until
    /// then it must not stand.
    pub(super) fn may_stand(&self) -> bool {
        self.forbids(self.last_log()).is_none()
    }

    /// Whether this member would vote for a candidate whose log ends so.
    pub(crate) fn would_grant(&self, last_log: Option<LogId<NodeId>>) -> bool {
        let has_all = last_log >= self.last_log() && self.forbids(last_log).is_none();
        let metrics = self.raft.metrics();
        has_all && !self.follows_a_leader(&metrics.borrow())
    }

    /// The vote itself waits for the whole of a leader's lease; this only keeps out those that disturb one
    /// who is there.
    fn follows_a_leader(&self, metrics: &Metrics) -> bool {
        let patience = self.timing.election_min;
        if metrics.state == ServerState::Leader {
            let members = metrics.membership_config.membership();
            return (self.lease).is_followed(self.node, metrics.vote, members, patience);
        }
        metrics.vote.is_committed() && self.gate.last_heard().elapsed() < patience
    }

    /// Asks whether this member would be elected.
    pub(super) async fn would_win(&self) -> bool {
        let members = self.raft.metrics().borrow().membership_config.clone();
        if !members.voter_ids().any(|voter| voter == self.node) {
            return false;
        }
        let majorities = members.membership().get_joint_config();
        let mut granted = vec![self.node];
        let is_elected = |granted: &[NodeId]| {
            majorities.iter().all(|voters| {
                let granting = granted.iter().filter(|node| voters.contains(node));
                granting.count() > voters.len() / 2
            })
        };
        // Until all have announced themselves to the map, only the members' list says where they are.
        for (node, member) in members.nodes() {
            self.network.suggest_address(*node, &member.addr);
        }
        let others = members.voter_ids().filter(|voter| *voter != self.node);
        let mut answers: FuturesUnordered<_> = others.map(|voter| self.ask(voter)).collect();
        let asking = async {
            while !is_elected(&granted) {
                match answers.next().await {
                    Some(Some(voter)) => granted.push(voter),
                    Some(None) => {}
                    None => return false,
                }
            }
            true
        };
        let asked = timeout(self.timing.election_min, asking).await;
        asked.unwrap_or(false)
    }

    /// The voter, if it would vote for this member.
    async fn ask(&self, voter: NodeId) -> Option<NodeId> {
        let request = v1::PreVoteRequest {
            group: self.group,
            target: voter,
            last_log: self.last_log().as_ref().map(log_id_to_wire),
        };
        let mut client = raft_client(self.network.channel(voter).ok()?);
        let would_grant = match client.pre_vote(request).await {
            Ok(answer) => answer.into_inner().would_grant,
            // A version from before there was this question.
            Err(status) => status.code() == Code::Unimplemented,
        };
        would_grant.then_some(voter)
    }

    /// The last entry that this member knows, also if only its checkpoint does.
    fn last_log(&self) -> Option<LogId<NodeId>> {
        let applied = self.raft.metrics().borrow().last_applied;
        self.log.last().max(applied)
    }
}
