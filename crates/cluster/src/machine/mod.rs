//! What raft's entries are applied to.

mod applied;
mod checkpoint;
mod children;
mod placement;
mod placement_file;
mod progress;
mod shard;
mod shard_command;
mod shard_snapshot;
mod split;

pub(crate) use applied::Applied;
pub(crate) use children::Children;
pub(crate) use placement::{PlacementConfig, PlacementMachine, PlacementSnapshot};
pub(crate) use progress::Progress;
pub(crate) use shard::ShardMachine;
pub(crate) use shard_command::{BatchRefusal, ShardCommand, ShardOutcome};
pub(crate) use shard_snapshot::{ShardConfig, ShardSnapshot};
pub(crate) use split::Split;
