//! The placement map.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{NodeId, ShardId};

/// Who owns what, at one version. Written as JSON in the log, in snapshots and on the wire: it is
/// small, it changes rarely, and it can be read in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementMap {
    /// Grows by one with every change.
    pub version: u64,
    /// Names the cluster, so that two never mix; `None` until it is founded.
    pub cluster_id: Option<String>,
    /// The id of the next shard to be made, less one.
    pub last_shard: ShardId,
    /// The coordinators that announced themselves.
    pub coordinators: BTreeMap<NodeId, Coordinator>,
    /// The shard nodes that announced themselves.
    pub nodes: BTreeMap<NodeId, ShardNode>,
    /// By name.
    pub collections: BTreeMap<String, Collection>,
    /// Of all collections.
    pub shards: BTreeMap<ShardId, Shard>,
}

/// A process with the API and a vote on the placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinator {
    /// Where peers reach it, `name:port`.
    pub grpc: String,
    /// Where clients reach it, if it says so.
    pub http: Option<String>,
}

/// A process that hosts replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardNode {
    /// Where peers reach it, `name:port`.
    pub grpc: String,
    /// Where clients reach it, if it says so.
    pub http: Option<String>,
}

/// A named set of vectors of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Values per vector.
    pub dimension: usize,
    /// In the order of their hash ranges, which together cover every hash once.
    pub shards: Vec<ShardId>,
}

/// One hash range of a collection's ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The collection's name.
    pub collection: String,
    /// The first hash of the range.
    pub first: u64,
    /// The last hash of the range, part of it.
    pub last: u64,
    /// The nodes that hold a copy, an odd number; the first should lead.
    pub replicas: Vec<NodeId>,
}

impl PlacementMap {
    /// The shard of a collection to which an id belongs; `None` if there is no such collection.
    pub fn shard_of(&self, collection: &str, id: &str) -> Option<ShardId> {
        let wanted = super::hash(id);
        let shards = &self.collections.get(collection)?.shards;
        let last_of = |shard: &ShardId| self.shards.get(shard).map_or(u64::MAX, |shard| shard.last);
        let position = shards.partition_point(|shard| last_of(shard) < wanted);
        shards.get(position).copied()
    }
}
