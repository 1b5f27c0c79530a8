//! How coordinators come to have a vote in the placement group, and lose it.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::{BasicNode, ChangeMembers};
use tokio::time::Instant;
use tonic::Request;
use vectra_wire::v1;

use super::placement::{Attempt, PAUSE, PlacementGroup, attempt_after, timeout_at};
use crate::network::raft_client;
use crate::{ClusterError, NodeId};

/// Taking in a coordinator waits for it to catch up.
const ADMISSION: Duration = Duration::from_secs(60);

impl PlacementGroup {
    /// Whether this member has a vote, for good: one that is on its way to it may be forgotten along with the
    /// leader that began to admit it.
    pub async fn is_member(&self) -> bool {
        let (node, applied) = (self.node, self.machine.last_applied());
        let is_member = self.raft.with_raft_state(move |state| {
            let members = state.membership_state.effective();
            let has_vote = members.voter_ids().any(|voter| voter == node);
            has_vote && *members.log_id() <= applied
        });
        is_member.await.unwrap_or(false)
    }

    /// Takes another coordinator in, first as learner, then as voter; at the leader or forwarded.
    /// `grpc` is where it is reached, `name:port`.
    pub async fn admit(&self, node: NodeId, grpc: String) -> Result<(), ClusterError> {
        let until = Instant::now() + ADMISSION;
        let mut trouble = "the placement group has no leader".to_owned();
        while Instant::now() < until {
            let admitted = async {
                match self.leader() {
                    Some(leader) if leader == self.node => self.admit_here(node, &grpc).await,
                    Some(leader) => self.admit_at(leader, node, &grpc).await,
                    None => Attempt::NotLeader(None),
                }
            };
            let attempt = timeout_at(until, admitted)
                .await
                .unwrap_or_else(|| Attempt::Unknown(format!("node {node} did not catch up")));
            match attempt {
                Attempt::Done(()) => return Ok(()),
                Attempt::NotLeader(_) => {}
                Attempt::Unknown(reason) => trouble = reason,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ClusterError::NotReady { reason: trouble })
    }

    /// Takes another coordinator in if this node is the leader.
    pub(crate) async fn admit_here(&self, node: NodeId, grpc: &str) -> Attempt<()> {
        let is_voter = self.status().voters.contains(&node);
        if is_voter {
            return Attempt::Done(());
        }
        self.network.suggest_address(node, grpc);
        if let Err(error) = self
            .raft
            .add_learner(node, BasicNode::new(grpc), true)
            .await
        {
            return attempt_after(&error);
        }
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        match self.raft.change_membership(voters, true).await {
            Ok(_) => Attempt::Done(()),
            Err(error) => attempt_after(&error),
        }
    }

    /// Takes the votes of coordinators that the map says were taken out. At the leader; the others leave it
    /// to that.
    ///
    /// # Errors
    ///
    /// If no majority agrees on it, within the time for that: then it is tried again later.
    pub async fn dismiss_removed(&self, patience: Duration) -> Result<(), ClusterError> {
        let removed = self.map().borrow().removed_coordinators.clone();
        let status = self.status();
        let among = |members: &BTreeSet<NodeId>| -> BTreeSet<NodeId> {
            members.intersection(&removed).copied().collect()
        };
        let (voters, learners) = (among(&status.voters), among(&status.learners));
        let change = if !voters.is_empty() {
            ChangeMembers::RemoveVoters(voters)
        } else if !learners.is_empty() {
            ChangeMembers::RemoveNodes(learners)
        } else {
            return Ok(());
        };
        tracing::info!(?change, "coordinators lose their votes");
        let changed = tokio::time::timeout(patience, self.raft.change_membership(change, false));
        let not_yet = |reason: String| ClusterError::NotReady { reason };
        changed
            .await
            .map_err(|_| not_yet("no majority agrees on the coordinators".to_owned()))?
            .map_err(|error| not_yet(error.to_string()))?;
        Ok(())
    }

    async fn admit_at(&self, leader: NodeId, node: NodeId, grpc: &str) -> Attempt<()> {
        use v1::admit_response::Outcome;
        let Ok(channel) = self.network.channel(leader) else {
            return Attempt::NotLeader(None);
        };
        let request = Request::new(v1::AdmitRequest {
            target: leader,
            node,
            address: grpc.to_owned(),
        });
        match raft_client(channel).admit(request).await {
            Ok(answer) => match answer.into_inner().outcome {
                Some(Outcome::Done(_)) => Attempt::Done(()),
                Some(Outcome::NotLeader(_)) => Attempt::NotLeader(None),
                Some(Outcome::Failed(reason)) => Attempt::Unknown(reason),
                None => Attempt::Unknown(format!("node {leader} answered nothing")),
            },
            Err(status) => Attempt::Unknown(format!("node {leader}: {}", status.message())),
        }
    }
}
