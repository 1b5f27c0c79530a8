//! Who owns what: collections, shards, hash ranges, nodes and replicas.
//!
//! Pure: a command goes in, the state changes; no clock, no I/O, no randomness, so that every
//! coordinator that applies the same commands holds the same map.

mod apply;
mod command;
mod hash;
mod map;
#[cfg(test)]
mod placement_test;

pub use command::{PlacementCommand, PlacementOutcome};
pub use hash::hash;
pub use map::{Collection, Coordinator, PlacementMap, Shard, ShardNode};
