//! What was seen of the cluster, for a plan of what to move.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Position;
use crate::{NodeId, ShardId};

/// A node is taken to be there while it was silent for no longer.
pub(super) const PRESENT: Duration = Duration::from_secs(5);
/// A node that is silent for longer should lead nothing.
pub(super) const LEADERSHIP: Duration = Duration::from_secs(10);
/// A node that is silent for longer gets no copy that was on its way there.
pub(super) const RECEIVING: Duration = Duration::from_secs(30);
/// A move that makes no progress for longer is given up.
pub(super) const PROGRESS: Duration = Duration::from_secs(300);

/// The cluster as one coordinator has seen it lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Nodes never heard of are missing.
    pub nodes: BTreeMap<NodeId, ObservedNode>,
    /// By shard.
    pub shards: BTreeMap<ShardId, ObservedShard>,
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedNode {
    /// How long it has not been heard of.
    pub silent: Duration,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedShard {
    /// Its leader, if it was heard of lately.
    pub leader: Option<ObservedLeader>,
    /// What the nodes say of their copies.
    pub replicas: BTreeMap<NodeId, ObservedReplica>,
    /// How long its move has made no progress.
    pub stalled: Duration,
}

/// What a shard's leader reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedLeader {
    /// Where it is.
    pub node: NodeId,
    /// The latest version of the map that asks for the very members that the group has; 0 for none.
    pub settled: u64,
    /// Where in the log these members are written.
    pub as_of: Position,
    /// It answers reads: its group has agreed on something since it leads.
    pub ready: bool,
}

/// What a node reports of its copy of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedReplica {
    /// Why its data cannot be served, and will not be served again without another's help.
    pub damaged: Option<String>,
    /// It has dropped a copy that it was to drop.
    pub dropped: bool,
    /// Where in the log the last membership that this copy knows is written.
    pub member_as_of: Option<Position>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Vectors that it holds.
    pub rows: u64,
    /// How many times it has given a part of its range away.
    pub splits: u32,
}

/// What the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A node that is silent for so long is replaced.
    pub dead_after: Duration,
    /// Copies that one node receives at the same time.
    pub at_once: usize,
    /// A shard with more vectors splits.
    pub split_at: u64,
}
