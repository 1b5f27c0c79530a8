//! The placement group.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::{
    ClusterError, GroupStatus, LogEngine, Network, NodeId, PlacementCommand, PlacementMap,
    PlacementOutcome, RaftTiming,
};

/// This coordinator's member of the placement group.
#[derive(Clone)]
pub struct PlacementGroup;

impl PlacementGroup {
    /// Opens what `directory` and the log hold of it.
    pub async fn open(
        node: NodeId,
        engine: &LogEngine,
        directory: &Path,
        network: &Network,
        timing: RaftTiming,
    ) -> Result<Self, ClusterError> {
        let _ = (node, engine, directory, network, timing);
        unimplemented!()
    }

    /// Whether this member belongs to a cluster already.
    pub async fn is_initialized(&self) -> bool {
        unimplemented!()
    }

    /// Founds a cluster with these voters, given with their gRPC addresses (`name:port`); this
    /// node must be one. Every voter may call it with the same ones. Returns as soon as the
    /// membership is on this node's disk; `cluster_id` is proposed once there is a leader.
    pub async fn found(
        &self,
        voters: BTreeMap<NodeId, String>,
        cluster_id: &str,
    ) -> Result<(), ClusterError> {
        let _ = (voters, cluster_id);
        unimplemented!()
    }

    /// Proposes a command, at the leader or forwarded to it; waits for a leader and tries again
    /// until `deadline` has passed. All commands may safely be proposed twice.
    pub async fn propose(
        &self,
        command: PlacementCommand,
        deadline: Duration,
    ) -> Result<PlacementOutcome, ClusterError> {
        let _ = (command, deadline);
        unimplemented!()
    }

    /// The map as applied on this node, and each change to come.
    pub fn map(&self) -> watch::Receiver<Arc<PlacementMap>> {
        unimplemented!()
    }

    /// Takes another coordinator in, first as learner, then as voter; at the leader or forwarded.
    pub async fn admit(&self, node: NodeId, grpc: String) -> Result<(), ClusterError> {
        let _ = (node, grpc);
        unimplemented!()
    }

    /// The leader that this node follows, itself included.
    pub fn leader(&self) -> Option<NodeId> {
        unimplemented!()
    }

    /// The group as seen from here.
    pub fn status(&self) -> GroupStatus {
        unimplemented!()
    }

    /// Stops taking part.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
