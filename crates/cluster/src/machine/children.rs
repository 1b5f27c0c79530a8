//! The shards that split off from those of this node.

use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::shard_directory;
use crate::{NodeId, ShardId};

/// Where shards that split off are put, and who is told of them.
#[derive(Clone)]
pub(crate) struct Children {
    /// This node.
    node: NodeId,
    /// Of all shards of this node.
    directory: PathBuf,
    announce: Arc<dyn Fn() + Send + Sync>,
}

impl Children {
    /// `announce` is called, on any thread, whenever a child of a shard may have come to be.
    pub(crate) fn new(
        node: NodeId,
        directory: PathBuf,
        announce: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let announce = Arc::new(announce);
        Self {
            node,
            directory,
            announce,
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn directory_of(&self, child: ShardId) -> PathBuf {
        shard_directory(&self.directory, child)
    }

    pub(super) fn announce(&self) {
        (self.announce)();
    }
}
