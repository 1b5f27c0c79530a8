//! Who owns what: collections, shards, hash ranges, nodes and replicas.
//!
//! Pure: a command goes in, the state changes; no clock, no I/O, no randomness, so that every
//! coordinator that applies the same commands holds the same map.

mod apply;
mod balance;
#[cfg(test)]
mod balance_test;
mod command;
mod hash;
mod leaders;
mod map;
mod moves;
mod observed;
#[cfg(test)]
mod placement_test;
mod progress;
mod range;
mod splits;
#[cfg(test)]
mod splits_test;

pub use command::{PlacementCommand, PlacementOutcome};
pub use hash::hash;
pub use map::{
    Collection, Coordinator, FailedMove, Move, MoveReason, PlacementMap, Position, Shard,
    ShardNode, Split,
};
pub use observed::{
    Limits, Observed, ObservedLeader, ObservedNode, ObservedReplica, ObservedShard,
};
pub use range::{Child, HashRange};
