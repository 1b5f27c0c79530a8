//! The shards that split off from those of this node.

use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::shard_directory;
use crate::network::group_of;
use crate::{LogEngine, NodeId, ShardId};

/// Where shards that split off are put, and who is told of them.
#[derive(Clone)]
pub(crate) struct Children {
    /// This node.
    node: NodeId,
    /// Of all groups of this node.
    log: LogEngine,
    /// Of all shards of this node.
    directory: PathBuf,
    announce: Arc<dyn Fn() + Send + Sync>,
}

impl Children {
    /// `announce` is called, on any thread, whenever a child of a shard may have come to be.
    pub(crate) fn new(
        node: NodeId,
        log: LogEngine,
        directory: PathBuf,
        announce: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let announce = Arc::new(announce);
        Self {
            node,
            log,
            directory,
            announce,
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// Whether this node had a copy of the child, and dropped it when that had gone elsewhere.
    pub(super) fn has_left(&self, child: ShardId) -> bool {
        self.log.has_left(group_of(child))
    }

    pub(super) fn directory_of(&self, child: ShardId) -> PathBuf {
        shard_directory(&self.directory, child)
    }

    pub(super) fn announce(&self) {
        (self.announce)();
    }
}
