//! Tells when a shard has another leader, for the coordinators to hear of it at once.

use std::sync::Arc;

use openraft::{BasicNode, RaftMetrics};
use tokio::sync::{Notify, watch};

use super::ShardGroups;
use crate::NodeId;

impl ShardGroups {
    /// Returns once a replica here has heard of another leader than before, since the last call.
    pub async fn leader_changed(&self) {
        self.host.leader_changed.notified().await;
    }
}

/// Watches one group until it stops.
pub(super) async fn tell_of_leaders(
    mut metrics: watch::Receiver<RaftMetrics<NodeId, BasicNode>>,
    changed: Arc<Notify>,
) {
    let mut known = None;
    loop {
        let leader = {
            let metrics = metrics.borrow_and_update();
            metrics
                .current_leader
                .map(|leader| (leader, metrics.current_term))
        };
        if leader.is_some() && leader != known {
            known = leader;
            changed.notify_one();
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
