//! Why a root could not do what it was asked. `http/` maps each to a status.

use std::time::Duration;

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RootError {
    /// A vector has another dimension than the collection.
    #[error("vectors of this collection have {expected} dimensions, this one has {got}")]
    WrongDimension {
        /// Dimension of the collection.
        expected: usize,
        /// Dimension of the request.
        got: usize,
    },
    /// These shards have no replica that may answer. Nothing was changed on them.
    #[error("{reason}")]
    Unavailable {
        /// The shards that could not be reached; empty when the placement itself is out of reach.
        shards: Vec<u64>,
        /// What was missing.
        reason: String,
    },
    /// The write was sent and lost sight of: each id is the old vector or the new one.
    #[error("{reason}")]
    OutcomeUnknown {
        /// The shards whose outcome is unknown.
        shards: Vec<u64>,
        /// What happened.
        reason: String,
    },
    /// No node of that kind has this id.
    #[error("there is no such node {0}; `vectra status` lists those there are")]
    NoSuchNode(u64),
    /// The coordinator cannot be done without.
    #[error("{0}")]
    NotRemovable(String),
    /// The deadline passed.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// Too much is under way already.
    #[error("{0}")]
    Overloaded(String),
    /// The memory budget or the disk reserve would be exceeded.
    #[error("{0}")]
    OverBudget(String),
    /// A fault of Vectra's own, or of its disk.
    #[error("{0}")]
    Internal(String),
}

impl RootError {
    /// What to report of a request that failed on two shards: an unknown outcome outweighs
    /// everything, since the client must know of it; shards of the same fault are named together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::OutcomeUnknown { mut shards, reason },
                Self::OutcomeUnknown { shards: more, .. },
            ) => {
                shards.extend(more);
                Self::OutcomeUnknown { shards, reason }
            }
            (Self::Unavailable { mut shards, reason }, Self::Unavailable { shards: more, .. }) => {
                shards.extend(more);
                Self::Unavailable { shards, reason }
            }
            (_, unknown @ Self::OutcomeUnknown { .. }) => unknown,
            (first, _) => first,
        }
    }
}
