//! All shard groups of this node.

use std::collections::BTreeMap;
use std::path::Path;

use vectra_store::StoreOptions;

use super::ShardGroup;
use crate::{ClusterError, LogEngine, Network, NodeId, PlacementMap, RaftTiming, ShardId};

/// All shard replicas hosted on this node.
#[derive(Clone)]
pub struct ShardGroups;

impl ShardGroups {
    /// Prepares to host replicas under `directory`; none is started before [`Self::reconcile`].
    pub async fn open(
        node: NodeId,
        engine: &LogEngine,
        directory: &Path,
        network: &Network,
        timing: RaftTiming,
        store: StoreOptions,
    ) -> Result<Self, ClusterError> {
        let _ = (node, engine, directory, network, timing, store);
        unimplemented!()
    }

    /// Starts every replica that the map puts here and that is not running yet. One that cannot
    /// be opened is reported by [`Self::faults`] and in the error; the others are served.
    pub async fn reconcile(&self, map: &PlacementMap) -> Result<(), ClusterError> {
        let _ = map;
        unimplemented!()
    }

    /// The replica of one shard, if it runs here.
    pub fn get(&self, shard: ShardId) -> Option<ShardGroup> {
        let _ = shard;
        None
    }

    /// All replicas that run here.
    pub fn all(&self) -> Vec<(ShardId, ShardGroup)> {
        unimplemented!()
    }

    /// The replicas that the map puts here and that could not be opened, and why.
    pub fn faults(&self) -> BTreeMap<ShardId, String> {
        unimplemented!()
    }

    /// Stops all replicas.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
