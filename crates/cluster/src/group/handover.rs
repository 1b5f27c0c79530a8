//! A leader hands its group over to another member.
//!
//! openraft 0.9 has no such request, and a follower that was heard of lately refuses to vote for
//! anybody but its leader. So the leader makes itself replaceable first: it lets no more writes in,
//! waits until the successor has everything, and asks it to stand for election. At its next
//! heartbeat the leader learns of the higher term and steps down, and then it may vote: with it the
//! successor has a majority of two or three. In a larger group the others vote as soon as their
//! lease has run out.
//!
//! Reads stay safe, since the leader no longer counts the successor's answers for its lease from
//! before the moment it asks, and counts its own vote as given before it gives it: see
//! [`crate::network::Lease`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::{LogId, Raft, ServerState, Vote};
use tokio::time::{Instant, sleep, timeout};
use vectra_wire::v1;

use super::proposer::Proposer;
use crate::NodeId;
use crate::machine::ShardConfig;
use crate::network::{Lease, Network, group_of, log_id_to_wire, raft_client, vote_to_wire};

/// What is on its way may take so long to be agreed on, and to reach the successor.
const PAUSE: Duration = Duration::from_secs(1);
/// The successor may take so long to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// It may take so long to win; meanwhile writes wait.
const ELECTION: Duration = Duration::from_secs(3);
/// Between two looks, and between two attempts to be elected.
const LOOK: Duration = Duration::from_millis(10);
const ATTEMPT: Duration = Duration::from_millis(80);

/// What a member says that stops as well. Asking it again is of no use.
pub(super) const ABOUT_TO_STOP: &str = "it is about to stop";

/// What a handover needs of the leading member.
pub(super) struct Handover<'a> {
    pub(super) shard: crate::ShardId,
    pub(super) raft: &'a Raft<ShardConfig>,
    pub(super) proposer: &'a Proposer,
    pub(super) lease: &'a Lease,
    pub(super) network: &'a Network,
}

impl Handover<'_> {
    /// Hands the group over to `successor`, a voter. Returns why not, if not.
    pub(super) async fn to(&self, successor: NodeId) -> Result<(), String> {
        let paused = self.proposer.pause(PAUSE).await;
        let _paused = paused.ok_or("writes under way do not come to an end")?;
        let (vote, last_log) = self.wait_for(successor).await?;

        self.lease.hands_over(successor, vote);
        let request = v1::TakeOverRequest {
            group: group_of(self.shard),
            target: successor,
            vote: Some(vote_to_wire(&vote)),
            last_log: Some(log_id_to_wire(&last_log)),
        };
        let channel = self.network.channel(successor);
        let mut client = raft_client(channel.map_err(|error| error.to_string())?);
        let answer = timeout(ANSWER, client.take_over(request)).await;
        let answer = answer.map_err(|_| "it does not answer".to_owned())?;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        if let Some(refused) = answer.into_inner().refused {
            return Err(refused);
        }

        let until = Instant::now() + ELECTION;
        while self.leads_by(vote) {
            if Instant::now() >= until {
                return Err("it was not elected in time".to_owned());
            }
            // Brings back the higher term.
            let beat = self.raft.trigger().heartbeat().await;
            beat.map_err(|error| error.to_string())?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until the successor has the whole log.
    async fn wait_for(&self, successor: NodeId) -> Result<(Vote<NodeId>, LogId<NodeId>), String> {
        let until = Instant::now() + PAUSE;
        loop {
            {
                let metrics = self.raft.metrics();
                let metrics = metrics.borrow();
                if metrics.state != ServerState::Leader {
                    return Err("this node leads no more".to_owned());
                }
                let replication = metrics.replication.as_ref();
                let matched = replication.and_then(|of| of.get(&successor).copied().flatten());
                if let Some(matched) = matched
                    && Some(matched.index) == metrics.last_log_index
                {
                    return Ok((metrics.vote, matched));
                }
            }
            if Instant::now() >= until {
                return Err("it does not catch up".to_owned());
            }
            sleep(LOOK).await;
        }
    }

    fn leads_by(&self, vote: Vote<NodeId>) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.state == ServerState::Leader && metrics.vote == vote
    }
}

/// The successor's part.
#[derive(Clone, Default)]
pub(crate) struct TakingOver {
    is_on: Arc<AtomicBool>,
    is_refused: Arc<AtomicBool>,
}

impl TakingOver {
    /// Whether this member may stand for election at any moment. Then it must not tell a leader
    /// that it follows it: the leader would take that for a promise not to.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    /// This node is about to stop: it takes nothing over any more.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::SeqCst);
    }

    /// Stands for election, several times if need be, as long as nobody leads by a later vote than
    /// `from`. Returns at once why it will not, if it will not.
    pub(crate) async fn begin(
        &self,
        raft: &Raft<ShardConfig>,
        own: NodeId,
        from: Vote<NodeId>,
        last_log: LogId<NodeId>,
    ) -> Result<(), String> {
        if self.is_refused.load(Ordering::SeqCst) {
            return Err(ABOUT_TO_STOP.to_owned());
        }
        if self.is_on.swap(true, Ordering::SeqCst) {
            return Err("it is taking over already".to_owned());
        }
        let on = On(self.clone());
        // Whatever it has answered, it has answered before this: asked of the core itself.
        let vote = raft.with_raft_state(|state| *state.vote_ref()).await;
        let vote = vote.map_err(|error| error.to_string())?;
        if vote != from {
            return Err(format!("it follows {vote}, not {from}"));
        }
        // That it would win is for the voters to say; here it is only a guess worth making.
        let is_likely_to_win = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            let mut voters = metrics.membership_config.voter_ids();
            metrics.last_log_index == Some(last_log.index) && voters.any(|voter| voter == own)
        };
        if !is_likely_to_win {
            return Err("it has no vote, or not the leader's log".to_owned());
        }
        let raft = raft.clone();
        tokio::spawn(async move {
            let _on = on;
            let until = Instant::now() + ELECTION;
            while Instant::now() < until {
                // The first attempt makes the leader step down, and the next finds it ready.
                if raft.trigger().elect().await.is_err() {
                    return;
                }
                sleep(ATTEMPT).await;
                let vote = raft.with_raft_state(|state| *state.vote_ref()).await;
                let is_undecided =
                    vote.is_ok_and(|vote| !vote.is_committed() && vote.leader_id.node_id == own);
                if !is_undecided {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// Switched off when dropped.
struct On(TakingOver);

impl Drop for On {
    fn drop(&mut self) {
        self.0.is_on.store(false, Ordering::SeqCst);
    }
}
