//! Who owns what: the placement state machine, raft groups, their log on disk, peers' network.
//!
//! The only crate that names openraft. It knows neither HTTP nor the API's JSON.

#![allow(
    clippy::result_large_err,
    reason = "openraft's storage errors are large, and its traits return them"
)]

mod directory;
mod error;
mod group;
mod log;
mod machine;
mod network;
pub mod placement;
mod runtime;
mod service;
mod status;
mod timing;
mod workers;

pub use error::{ClusterError, NotLeader, WriteError};
pub use group::{
    Consistency, Fault, MAX_BATCH_BYTES, PlacementGroup, Readable, ShardGroup, ShardGroups,
};
pub use log::{LogDisk, LogEngine, LogFile};
pub use network::{Connection, Dial, Dialling, Network, grpc_server};
pub use placement::{PlacementCommand, PlacementMap, PlacementOutcome};
pub use service::RaftService;
pub use status::{CatchUp, GroupStatus, ReplicaDigest};
pub use timing::RaftTiming;
pub use workers::{Pace, Workers};

/// A process with data of its own, coordinator or shard node. Never reused.
pub type NodeId = u64;

/// A hash range of one collection's ids, replicated as one raft group. Counted from 1.
pub type ShardId = u64;
