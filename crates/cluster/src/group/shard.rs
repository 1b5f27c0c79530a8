//! One shard's group.

use std::sync::Arc;

use bytes::Bytes;
use vectra_store::{Shard, ShardView};

use crate::{GroupStatus, NotLeader, WriteError};

/// The largest batch that [`ShardGroup::write`] takes, encoded.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// This node's replica of one shard.
#[derive(Clone)]
pub struct ShardGroup;

impl ShardGroup {
    /// Proposes an encoded [`vectra_store::WriteBatch`]. When it returns, the batch is on stable
    /// storage on a majority of the replicas and applied here. Says how many of its ids existed.
    pub async fn write(&self, batch: Bytes) -> Result<u64, WriteError> {
        let _ = batch;
        unimplemented!()
    }

    /// A state that holds everything acknowledged before this call, by whichever leader. Only the
    /// leader has it; just elected, it waits a moment for what its predecessors left.
    pub async fn readable_view(&self) -> Result<Arc<ShardView>, NotLeader> {
        unimplemented!()
    }

    /// The group as seen from here.
    pub fn status(&self) -> GroupStatus {
        unimplemented!()
    }

    /// The replica's bytes.
    pub fn shard(&self) -> &Arc<Shard> {
        unimplemented!()
    }
}
