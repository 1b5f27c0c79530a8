//! A shard node as its HTTP port shows it.

use std::sync::Arc;

use tokio::sync::watch;
use vectra_cluster::{NodeId, PlacementMap};

use crate::http::ShardNode;
use crate::leaf::Leaf;

/// The shards of this process, and the map that it has learned.
pub(super) struct Hosted {
    pub(super) node: NodeId,
    pub(super) leaf: Leaf,
    pub(super) map: watch::Receiver<Arc<PlacementMap>>,
}

impl ShardNode for Hosted {
    fn items(&self) -> u64 {
        self.leaf.rows()
    }

    /// A coordinator has answered since the start, with a map that this node is in.
    fn is_ready(&self) -> bool {
        self.map.borrow().nodes.contains_key(&self.node)
    }

    fn measure(&self) {
        self.leaf.measure();
    }
}
