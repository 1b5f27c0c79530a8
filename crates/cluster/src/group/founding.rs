//! How a new shard's group begins.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::error::{InitializeError, RaftError};
use openraft::{BasicNode, Raft};

use crate::NodeId;
use crate::machine::ShardConfig;

/// Gives a brand-new group its first voters. Every replica may do it, so that no single one is
/// needed; the one that should lead does it at once, the others only if it does not.
pub(super) async fn initialize(
    raft: Raft<ShardConfig>,
    replicas: BTreeSet<NodeId>,
    patience: Duration,
) {
    if !patience.is_zero() {
        tokio::time::sleep(patience).await;
    }
    // After a restart, or reached by the founding of another replica.
    if raft.is_initialized().await.unwrap_or(false) {
        return;
    }
    let members: BTreeMap<NodeId, BasicNode> = replicas
        .into_iter()
        .map(|replica| (replica, BasicNode::default()))
        .collect();
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
        Err(error) => tracing::warn!(%error, "a shard's group could not be initialised"),
    }
}
