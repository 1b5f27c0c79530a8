//! Raft groups.

mod placement;
mod shard;
mod shards;

pub use placement::PlacementGroup;
pub use shard::{MAX_BATCH_BYTES, ShardGroup};
pub use shards::ShardGroups;
