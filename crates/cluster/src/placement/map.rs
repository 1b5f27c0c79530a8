//! The placement map.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Coordinators that were taken out of the cluster: they are never taken in again.
    #[serde(default)]
    pub removed_coordinators: BTreeSet<NodeId>,
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
    /// It is to be emptied: its replicas move away and no new ones come.
    #[serde(default)]
    pub draining: bool,
}

/// A named set of vectors of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Values per vector.
    pub dimension: usize,
    /// How many replicas each shard is wanted to have, once there are as many nodes.
    #[serde(default = "three")]
    pub replicas: u32,
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
    /// The nodes that hold a copy and vote; the first should lead.
    pub replicas: Vec<NodeId>,
    /// Whether the group of these replicas has had a leader: from then on nobody founds it anew.
    #[serde(default = "yes")]
    pub founded: bool,
    /// The replicas it is on its way to.
    #[serde(default)]
    pub next: Option<Move>,
    /// Nodes that are members no more and have yet to drop their copy, each with the position in
    /// the shard's log of a membership without it.
    #[serde(default)]
    pub left: BTreeMap<NodeId, Position>,
    /// The last move, if it was given up.
    #[serde(default)]
    pub failed: Option<FailedMove>,
    /// How many times it has given the upper part of its range to another shard.
    #[serde(default)]
    pub splits: u32,
    /// The split under way.
    #[serde(default)]
    pub split: Option<Split>,
    /// The shard whose range it was part of before.
    #[serde(default)]
    pub parent: Option<ShardId>,
}

/// A split under way. The shard's leader carries it out; it is finished when the child's has
/// reported that it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The id of the shard that gets the upper part.
    pub child: ShardId,
    /// The first hash of that part.
    pub at: u64,
    /// The version of the map that this split was first part of.
    pub since: u64,
}

/// A change of a shard's replicas under way. The shard's leader carries it out; it is finished when
/// that leader has reported so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The replicas afterwards; the first should lead.
    pub replicas: Vec<NodeId>,
    /// The nodes that hold a copy now and shall hold none afterwards.
    pub leaving: BTreeSet<NodeId>,
    /// Why.
    pub reason: MoveReason,
    /// The version of the map that this move was first part of.
    pub since: u64,
}

/// Why replicas move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// More replicas, since there are nodes for them.
    Raise,
    /// A node holds more replicas than another.
    Spread,
    /// A node is to be emptied.
    Drain,
    /// A node has been silent for too long.
    Dead,
    /// A replica's data is damaged.
    Damaged,
    /// The move before could not be finished.
    GivenUp,
}

/// A move that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedMove {
    /// The nodes that should have got a copy.
    pub nodes: BTreeSet<NodeId>,
    /// Why they did not.
    pub reason: String,
}

/// A position in a shard's log. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The term of the entry.
    pub term: u64,
    /// The leader that wrote it.
    pub node: NodeId,
    /// Its index.
    pub index: u64,
}

fn three() -> u32 {
    3
}

fn yes() -> bool {
    true
}

impl Shard {
    /// A shard that was just placed.
    pub fn new(collection: &str, first: u64, last: u64, replicas: Vec<NodeId>) -> Self {
        Self {
            collection: collection.to_owned(),
            first,
            last,
            replicas,
            founded: false,
            next: None,
            left: BTreeMap::new(),
            failed: None,
            splits: 0,
            split: None,
            parent: None,
        }
    }

    /// The replicas that it has, or will have when its move is finished.
    pub fn wanted(&self) -> &[NodeId] {
        self.next
            .as_ref()
            .map_or(&self.replicas, |next| &next.replicas)
    }

    /// The nodes that are to serve a copy now: those that are members, become it, or are about to
    /// be members no more.
    pub fn hosts(&self) -> BTreeSet<NodeId> {
        let mut hosts: BTreeSet<NodeId> = self.replicas.iter().copied().collect();
        if let Some(next) = &self.next {
            hosts.extend(&next.replicas);
            hosts.extend(&next.leaving);
        }
        hosts
    }
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
