//! What raft's entries are applied to.

mod applied;
mod placement;
mod placement_file;
mod shard;
mod shard_command;
mod shard_snapshot;

pub(crate) use applied::Applied;
pub(crate) use placement::{PlacementConfig, PlacementMachine, PlacementSnapshot};
pub(crate) use shard::{Progress, ShardMachine};
pub(crate) use shard_command::{ShardCommand, ShardOutcome};
pub(crate) use shard_snapshot::{ShardConfig, ShardSnapshot};
