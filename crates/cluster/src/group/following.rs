//! Whether a leader may still count on a majority.
//!
//! openraft 0.9 lets a leader lead until it hears of another, also when it hears of nobody. What is
//! proposed to one that is cut off from its followers waits until that is over, and is thrown away
//! then. So a leader that no majority has followed for as long as it takes to elect another takes
//! nothing more, and lets nobody wait for what it took.

use std::time::Duration;

use openraft::{BasicNode, Raft, RaftMetrics, ServerState};
use tokio::time::Instant;

use crate::machine::ShardConfig;
use crate::network::Lease;
use crate::{NodeId, RaftTiming};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What a member knows of those that follow it.
#[derive(Clone)]
pub(super) struct Following {
    pub(super) node: NodeId,
    pub(super) lease: Lease,
    /// Another may lead once a majority has not heard of this leader for so long.
    pub(super) patience: Duration,
}

impl Following {
    pub(super) fn new(node: NodeId, lease: Lease, timing: RaftTiming) -> Self {
        let patience = timing.election_max + timing.election_min;
        Self {
            node,
            lease,
            patience,
        }
    }

    /// Whether this member leads and has lost its majority. One that was only just elected, and has
    /// not committed anything in its term, is not taken for that.
    pub(super) fn is_lost(&self, metrics: &RaftMetrics<NodeId, BasicNode>) -> bool {
        let leader = metrics.vote.leader_id;
        let has_committed = metrics.last_applied.is_some_and(|applied| {
            (applied.leader_id.term, applied.leader_id.node_id) == (leader.term, leader.node_id)
        });
        metrics.state == ServerState::Leader && has_committed && !self.is_followed(metrics)
    }

    fn is_followed(&self, metrics: &RaftMetrics<NodeId, BasicNode>) -> bool {
        let members = metrics.membership_config.membership();
        self.lease
            .is_followed(self.node, metrics.vote, members, self.patience)
    }

    /// Returns once this member leads, was not followed by a majority for too long, and what was
    /// proposed `since` has waited for longer than that.
    pub(super) async fn lost(&self, raft: &Raft<ShardConfig>, since: Instant) {
        loop {
            tokio::time::sleep(LOOK).await;
            let is_lost = {
                let metrics = raft.metrics();
                let metrics = metrics.borrow();
                metrics.state == ServerState::Leader && !self.is_followed(&metrics)
            };
            if is_lost && since.elapsed() >= self.patience {
                return;
            }
        }
    }
}
