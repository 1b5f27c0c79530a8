//! Makes the members of a shard's group those that the placement map asks for.
//!
//! Every replica has one of these, and the one of the leader acts: so a move goes on when its leader
//! is lost, and while the coordinators are away. It only ever looks at what the map asks for and
//! what the group has, and takes the next step from there: learners in, caught up by snapshot and
//! log, joint membership, the old ones out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::{BasicNode, ChangeMembers, Raft, RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::beat::Beat;
use super::handover::Handover;
use super::proposer::Proposer;
use crate::machine::{Progress, ShardConfig};
use crate::network::{Lease, Network, Transfers};
use crate::placement::Shard;
use crate::{CatchUp, NodeId, PlacementMap, ShardId};

/// How often to look, also if the map does not change.
const PERIOD: Duration = Duration::from_millis(250);
/// A change of members that no majority agrees on for so long is looked at again.
const AGREEMENT: Duration = Duration::from_secs(10);
/// A learner that lacks no more than so many entries may vote.
const NEARLY_THERE: u64 = 16;
/// After a handover that failed, and after an election, before the next handover.
const CALM: Duration = Duration::from_secs(5);
const JUST_ELECTED: Duration = Duration::from_secs(2);
/// A member that has not answered for so long is not asked to lead.
const PRESENT: Duration = Duration::from_secs(1);
/// A leader that is to leave and cannot hand over leaves all the same after so many attempts.
const HANDOVERS: u32 = 3;

type Metrics = RaftMetrics<NodeId, BasicNode>;

/// The members of one group as its leader changes them.
pub(super) struct Members {
    pub(super) node: NodeId,
    pub(super) shard: ShardId,
    pub(super) raft: Raft<ShardConfig>,
    pub(super) proposer: Proposer,
    pub(super) lease: Lease,
    pub(super) network: Network,
    pub(super) maps: watch::Receiver<Arc<PlacementMap>>,
    pub(super) progress: Arc<Progress>,
    pub(super) settled: Arc<AtomicU64>,
    pub(super) beat: Beat,
}

/// What a leader remembers from step to step.
#[derive(Default)]
struct Tenure {
    since: Option<Instant>,
    no_handover_before: Option<Instant>,
    failed_handovers: u32,
}

impl Members {
    /// Runs until the group stops.
    pub(super) async fn run(mut self) {
        let mut tenure = Tenure::default();
        let mut is_moving = false;
        loop {
            // Groups at rest wake their node together; what groups do that move should not come all at once.
            let next = async {
                if is_moving {
                    sleep(PERIOD).await;
                } else {
                    self.beat.next(PERIOD).await;
                }
            };
            tokio::select! {
                () = next => {}
                changed = self.maps.changed() => if changed.is_err() {
                    return;
                },
            }
            let map = Arc::clone(&self.maps.borrow_and_update());
            let metrics = {
                let metrics = self.raft.metrics();
                let metrics = metrics.borrow();
                if metrics.running_state.is_err() {
                    return;
                }
                // For most of the groups of a node there is nothing to copy.
                (metrics.state == ServerState::Leader).then(|| metrics.clone())
            };
            is_moving = false;
            let Some(metrics) = metrics else {
                self.settled.store(0, Ordering::Release);
                tenure = Tenure::default();
                continue;
            };
            tenure.since.get_or_insert_with(Instant::now);
            let Some(placed) = map.shards.get(&self.shard) else {
                continue;
            };
            is_moving = placed.next.is_some();
            if let Err(reason) = self.step(&map, placed, &metrics, &mut tenure).await {
                tracing::debug!(shard = self.shard, %reason, "the members are not yet as placed");
            }
        }
    }

    async fn step(
        &self,
        map: &PlacementMap,
        placed: &Shard,
        metrics: &Metrics,
        tenure: &mut Tenure,
    ) -> Result<(), String> {
        let members = &metrics.membership_config;
        let is_committed = metrics.last_applied >= *members.log_id();
        if !placed.founded || !is_committed {
            return Ok(());
        }
        let wanted: BTreeSet<NodeId> = placed.wanted().iter().copied().collect();
        let known: BTreeSet<NodeId> = members.nodes().map(|(node, _)| *node).collect();
        let voters: BTreeSet<NodeId> = members.voter_ids().collect();
        let is_joint = members.membership().get_joint_config().len() > 1;

        if is_joint {
            // Begun by a leader before; may have been on the way to somewhere else.
            let goal = if wanted.is_subset(&known) {
                wanted
            } else {
                voters
            };
            return self.change(ChangeMembers::ReplaceAllVoters(goal)).await;
        }
        let missing: BTreeMap<NodeId, BasicNode> = wanted
            .difference(&known)
            .map(|node| (*node, BasicNode::default()))
            .collect();
        if !missing.is_empty() {
            // All at once: each change of members interrupts what is being sent.
            return self.change(ChangeMembers::AddNodes(missing)).await;
        }
        let strangers: BTreeSet<NodeId> = known
            .iter()
            .copied()
            .filter(|node| !wanted.contains(node) && !voters.contains(node))
            .collect();
        if !strangers.is_empty() {
            return self.change(ChangeMembers::RemoveNodes(strangers)).await;
        }
        if voters != wanted {
            return self.change_voters(&wanted, &voters, metrics, tenure).await;
        }

        self.settled.store(map.version, Ordering::Release);
        if let Some(split) = &placed.split {
            return self.split(placed, split).await;
        }
        match placed.replicas.first() {
            Some(preferred) if placed.next.is_none() && *preferred != self.node => {
                self.hand_over(*preferred, metrics, tenure).await
            }
            _ => Ok(()),
        }
    }

    async fn change_voters(
        &self,
        wanted: &BTreeSet<NodeId>,
        voters: &BTreeSet<NodeId>,
        metrics: &Metrics,
        tenure: &mut Tenure,
    ) -> Result<(), String> {
        for node in wanted.difference(voters) {
            let missing = missing_entries(metrics, *node);
            if missing > NEARLY_THERE {
                return Err(format!("node {node} lacks {missing} entries"));
            }
        }
        let mut goal = wanted.clone();
        if !wanted.contains(&self.node) {
            let staying: Vec<NodeId> = wanted.intersection(voters).copied().collect();
            if staying.is_empty() {
                goal = with_who_leaves(wanted, self.node);
            } else if tenure.failed_handovers < HANDOVERS {
                let is_ready = |node: &&NodeId| {
                    self.lease.follows(**node, metrics.vote, PRESENT)
                        && missing_entries(metrics, **node) <= NEARLY_THERE
                };
                return match staying.iter().find(is_ready) {
                    Some(successor) => self.hand_over(*successor, metrics, tenure).await,
                    None => Err("none of those that stay could lead yet".to_owned()),
                };
            }
        }
        self.change(ChangeMembers::ReplaceAllVoters(goal)).await
    }

    async fn change(&self, change: ChangeMembers<NodeId, BasicNode>) -> Result<(), String> {
        // Learners that become neither voters nor strangers stay as they are.
        let retain = matches!(change, ChangeMembers::AddNodes(_));
        tracing::info!(shard = self.shard, ?change, "the members of a shard change");
        let changed = timeout(AGREEMENT, self.raft.change_membership(change, retain)).await;
        let changed = changed.map_err(|_| "no majority agrees on the members".to_owned())?;
        changed.map(drop).map_err(|error| error.to_string())
    }

    /// Lets another voter lead, unless this one has led only for a moment, or has tried lately.
    async fn hand_over(
        &self,
        successor: NodeId,
        metrics: &Metrics,
        tenure: &mut Tenure,
    ) -> Result<(), String> {
        let led_for = tenure.since.map(|since| since.elapsed());
        let is_too_soon = led_for.is_none_or(|led_for| led_for < JUST_ELECTED)
            || tenure
                .no_handover_before
                .is_some_and(|until| Instant::now() < until);
        let is_there = self.lease.follows(successor, metrics.vote, PRESENT);
        if is_too_soon || !is_there || missing_entries(metrics, successor) > NEARLY_THERE {
            return Ok(());
        }
        let handover = Handover {
            shard: self.shard,
            raft: &self.raft,
            proposer: &self.proposer,
            lease: &self.lease,
            network: &self.network,
        };
        match handover.to(successor).await {
            Ok(()) => {
                tracing::info!(
                    shard = self.shard,
                    successor,
                    "another node leads this shard"
                );
                Ok(())
            }
            Err(reason) => {
                tenure.no_handover_before = Some(Instant::now() + CALM);
                tenure.failed_handovers += 1;
                tracing::info!(shard = self.shard, successor, %reason, "not handed over");
                Err(reason)
            }
        }
    }
}

/// The voters for the while between, when all that vote are to be others: the leader that leaves is among them, and hands over
/// to one of those that come. In the place of one of three, not beside them: of four voters the two that hand over are no
/// majority, and until the lease of the others has run out no read and no write would be answered.
fn with_who_leaves(wanted: &BTreeSet<NodeId>, leader: NodeId) -> BTreeSet<NodeId> {
    let mut voters = wanted.clone();
    if voters.len() > 2 && voters.len() % 2 == 1 {
        voters.pop_last();
    }
    voters.insert(leader);
    voters
}

/// The entries that a member lacks, as far as its leader knows.
fn missing_entries(metrics: &Metrics, node: NodeId) -> u64 {
    let replication = metrics.replication.as_ref();
    let matched = replication.and_then(|of| of.get(&node).copied().flatten());
    let has = matched.map_or(0, |matched| matched.index + 1);
    let all = metrics.last_log_index.map_or(0, |last| last + 1);
    all.saturating_sub(has)
}

/// How the members of a leader's group that are being sent a snapshot, or have no vote yet, get on.
pub(super) fn catch_ups(metrics: &Metrics, transfers: &Transfers) -> Vec<CatchUp> {
    let members = metrics.membership_config.membership();
    let learners: BTreeSet<NodeId> = members.learner_ids().collect();
    let nodes = members.nodes().map(|(node, _)| *node);
    let catch_up = |node: NodeId| {
        let transfer = transfers.get(node);
        let is_running = transfer.is_some_and(|transfer| transfer.is_running);
        if !is_running && !learners.contains(&node) {
            return None;
        }
        Some(CatchUp {
            node,
            sent_bytes: transfer.map_or(0, |transfer| transfer.sent),
            total_bytes: transfer.map_or(0, |transfer| transfer.total),
            bytes_per_second: transfer
                .filter(|transfer| transfer.is_running)
                .map_or(0, |transfer| transfer.rate()),
            missing_entries: missing_entries(metrics, node),
        })
    };
    nodes.filter_map(catch_up).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_leaves_with_all_others_can_hand_over_to_a_majority() {
        let voters = |wanted: &[NodeId]| with_who_leaves(&wanted.iter().copied().collect(), 9);
        assert_eq!(voters(&[4, 5, 6]), BTreeSet::from([4, 5, 9]));
        assert_eq!(
            voters(&[4]),
            BTreeSet::from([4, 9]),
            "two are a majority of two"
        );
        assert_eq!(voters(&[4, 5]), BTreeSet::from([4, 5, 9]));
        assert_eq!(voters(&[1, 2, 3, 4, 5]).len(), 5);
    }
}
