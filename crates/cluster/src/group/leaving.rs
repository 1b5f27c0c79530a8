//! A node that is about to stop lets others lead first, so that nobody has to wait for an election.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use openraft::ServerState;
use tokio::time::{Instant, sleep};

use super::handover::{ABOUT_TO_STOP, Handover};
use super::{ShardGroup, ShardGroups};
use crate::{NodeId, ShardId};

/// Groups that are handed over at the same time.
const AT_ONCE: usize = 32;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// A member that has not answered for so long is not asked to lead.
const PRESENT: Duration = Duration::from_secs(1);
/// The new leader makes itself heard in this time.
const HEARD: Duration = Duration::from_secs(1);

impl ShardGroups {
    /// Lets other nodes lead the shards that this one leads, and takes over none any more. Returns how
    /// many have another leader now: those without another replica that follows have none.
    pub async fn leave(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        futures::stream::iter(self.all())
            .map(|(shard, group)| async move { group.leave(shard, self, until).await })
            .buffer_unordered(AT_ONCE)
            .filter(|has_left| std::future::ready(*has_left))
            .count()
            .await
    }
}

impl ShardGroup {
    async fn leave(&self, shard: ShardId, groups: &ShardGroups, until: Instant) -> bool {
        self.inner.taking_over.refuse();
        let handover = Handover {
            shard,
            raft: &self.inner.raft,
            proposer: &self.inner.proposer,
            lease: &self.inner.lease,
            network: &groups.host.network,
        };
        let mut led = false;
        let mut turn = 0;
        let mut stopping = BTreeSet::new();
        while Instant::now() < until {
            let successors = match self.successors() {
                Some(successors) => successors,
                None => break,
            };
            led = true;
            let successors: Vec<NodeId> = (successors.iter().copied())
                .filter(|successor| !stopping.contains(successor))
                .collect();
            if !stopping.is_empty() && successors.is_empty() {
                return false;
            }
            let Some(successor) = successors.get(turn % successors.len().max(1)) else {
                if self.is_alone() {
                    return false;
                }
                sleep(PAUSE).await;
                continue;
            };
            turn += 1;
            match handover.to(*successor).await {
                Ok(()) => break,
                Err(reason) => {
                    if reason == ABOUT_TO_STOP {
                        stopping.insert(*successor);
                    }
                    tracing::info!(shard, successor, %reason, "not handed over before the stop");
                    sleep(PAUSE).await;
                }
            }
        }
        led && self.is_led_elsewhere().await
    }

    /// Those that could lead instead, those first that lack least; `None` if this one does not lead.
    fn successors(&self) -> Option<Vec<NodeId>> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow();
        if metrics.state != ServerState::Leader {
            return None;
        }
        let follows = |node: &NodeId| self.inner.lease.follows(*node, metrics.vote, PRESENT);
        let voters = metrics.membership_config.voter_ids();
        let others = voters.filter(|node| *node != self.inner.node && follows(node));
        let mut others: Vec<NodeId> = others.collect();
        let matched = |node: &NodeId| {
            let replication = metrics.replication.as_ref();
            replication.and_then(|of| of.get(node).copied().flatten())
        };
        others.sort_by_key(|node| std::cmp::Reverse(matched(node)));
        Some(others)
    }

    fn is_alone(&self) -> bool {
        let metrics = self.inner.raft.metrics();
        metrics.borrow().membership_config.voter_ids().count() <= 1
    }

    async fn is_led_elsewhere(&self) -> bool {
        let node = self.inner.node;
        let mut metrics = self.inner.raft.metrics();
        let elsewhere = metrics.wait_for(|metrics| {
            let leader = metrics.current_leader;
            leader.is_some_and(|leader| leader != node)
        });
        matches!(tokio::time::timeout(HEARD, elsewhere).await, Ok(Ok(_)))
    }
}
