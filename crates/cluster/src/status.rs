//! One raft group as seen from one of its nodes.

use std::collections::BTreeSet;

use crate::NodeId;
use crate::placement::Position;

/// One raft group as seen from one of its nodes, a moment ago.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupStatus {
    /// The leader that this node follows, itself included.
    pub leader: Option<NodeId>,
    /// The current term.
    pub term: u64,
    /// Index of the last entry in this node's log; `None` for an empty log.
    pub last_log: Option<u64>,
    /// Index of the last entry applied on this node.
    pub applied: Option<u64>,
    /// Whether this node believes to lead.
    pub is_leader: bool,
    /// The members with a vote.
    pub voters: BTreeSet<NodeId>,
    /// The members without one.
    pub learners: BTreeSet<NodeId>,
    /// Where in the log these members are written.
    pub members_as_of: Option<Position>,
    /// Whether the group is being served at all.
    pub running: bool,
    /// Why it is not, or what else is wrong.
    pub fault: Option<String>,
}

/// What one replica holds, to be compared with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaDigest {
    /// Entries of the shard's log that it has applied.
    pub entries: u64,
    /// Its live rows.
    pub rows: u64,
    /// [`vectra_store::ShardView::digest`] of them.
    pub digest: u128,
}

/// A member on its way to what its leader has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    /// The member.
    pub node: NodeId,
    /// Bytes of the snapshot that it has been sent.
    pub sent_bytes: u64,
    /// Bytes of the snapshot that it needs; 0 if it needs none.
    pub total_bytes: u64,
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// Entries of the log that it lacks.
    pub missing_entries: u64,
}
