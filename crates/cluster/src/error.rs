//! Why something in the cluster did not happen.

use std::path::PathBuf;

use crate::placement::Child;
use crate::{NodeId, ShardId};

/// Why an operation of the cluster failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// A file or directory could not be read or written, or holds what it should not.
    #[error("{path}: {reason}", path = path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The group has no leader yet, or this node has not caught up.
    #[error("{reason}")]
    NotReady {
        /// What is missing.
        reason: String,
    },
    /// What was asked for is not possible; asking again will not help.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// A peer did not answer.
    #[error("node {node} is unreachable: {reason}")]
    Unreachable {
        /// The peer; 0 when only its address is known.
        node: NodeId,
        /// What happened.
        reason: String,
    },
    /// The command was proposed and lost sight of: it may take effect or not.
    #[error("{reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// One shard's replica on this node cannot be served; the others can.
    #[error("shard {shard}: {reason}")]
    Shard {
        /// The shard.
        shard: ShardId,
        /// What is wrong with it.
        reason: String,
    },
    /// The group was shut down or stopped on a fault of its storage.
    #[error("{reason}")]
    Stopped {
        /// Why it stopped.
        reason: String,
    },
}

/// This replica may not answer for its shard. Nothing was proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotLeader {
    /// Where this node believes the leader to be.
    pub leader: Option<NodeId>,
    /// Why this replica may not answer.
    pub reason: String,
}

/// Why a batch was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Certainly not proposed: may be sent to another replica.
    #[error("{0}")]
    NotLeader(#[from] NotLeader),
    /// Certainly not applied, and never will be: some of its ids belong to other shards by now.
    #[error("some ids of the batch belong to shards that have split off")]
    Elsewhere {
        /// All shards that have split off from this one, oldest first.
        children: Vec<Child>,
    },
    /// Proposed and lost sight of: may be applied or not.
    #[error("{reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// Nothing was changed, and the same batch would be refused again.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}
