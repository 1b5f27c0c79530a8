//! What can be asked of the placement, and what it answers.

use serde::{Deserialize, Serialize};

use super::Collection;
use crate::NodeId;

/// One change of the placement map, as written to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementCommand {
    /// Gives the cluster its name; refused once it has another.
    FoundCluster {
        /// The name.
        cluster_id: String,
    },
    /// A coordinator is there, or has moved to another address.
    AnnounceCoordinator {
        /// Its id.
        node: NodeId,
        /// Where peers reach it, `name:port`.
        grpc: String,
        /// Where clients reach it.
        http: Option<String>,
    },
    /// A shard node is there, or has moved to another address.
    AnnounceNode {
        /// Its id.
        node: NodeId,
        /// Where peers reach it, `name:port`.
        grpc: String,
        /// Where clients reach it.
        http: Option<String>,
    },
    /// Changes nothing: asks as of which version everything agreed on before it is in the map.
    ReadBarrier,
    /// Makes a collection unless there is one of that name.
    CreateCollection {
        /// Its name.
        name: String,
        /// Values per vector, at least 1.
        dimension: usize,
        /// How many shards, at least 1.
        shards: u32,
        /// How many replicas a shard is wanted to have; it gets the largest odd number that is
        /// neither above this nor above the number of nodes.
        replicas: u32,
    },
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementOutcome {
    /// The map now says so.
    Done,
    /// The collection, made just now or before, whatever its dimension.
    Collection(Collection),
    /// A map of this version holds everything agreed on before the command.
    AsOf {
        /// [`super::PlacementMap::version`].
        version: u64,
    },
    /// The map is unchanged.
    Refused {
        /// Why.
        reason: String,
    },
}
