//! One raft group as seen from one of its nodes.

use std::collections::BTreeSet;

use crate::NodeId;

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
    /// Whether the group is being served at all.
    pub running: bool,
    /// Why it is not, or what else is wrong.
    pub fault: Option<String>,
}
