//! What the server answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How much proof a search asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// The true top-k of the stored float32 vectors, proven.
    Exact,
    /// The integer scan's own ranking.
    Sq8,
}

impl Precision {
    /// The word the API uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Sq8 => "sq8",
        }
    }
}

/// Which replicas may answer a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Each shard's leader, by its lease.
    Leader,
    /// The same, confirmed by a majority.
    Linearizable,
    /// Any that is at most five seconds behind.
    Any,
}

impl Consistency {
    /// The word the API uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Linearizable => "linearizable",
            Self::Any => "any",
        }
    }
}

/// One neighbour.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Hit {
    /// The id it was ingested under.
    pub id: String,
    /// Cosine of query and vector.
    pub score: f32,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SearchAnswer {
    /// Best first.
    pub results: Vec<Hit>,
    /// Whether the server proved that no other vector belongs among them.
    #[serde(default)]
    pub certified: bool,
}

/// The answer to an ingest or a delete: how many vectors it was about.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Counted {
    pub(crate) count: u64,
}

/// The answer of `GET /health`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Health {
    /// `online` when all is well.
    pub status: String,
    /// Vectors stored, where the process knows.
    #[serde(default)]
    pub items: u64,
    /// Whatever else the process tells about itself.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// A vector as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVector {
    /// Its id.
    pub id: String,
    /// The float32 values that were ingested.
    pub vector: Vec<f32>,
}

/// The answer of `GET /cluster`. A field the server does not send is left at its default, one
/// this client does not know is ignored, so that the two need not be of one version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterStatus {
    /// Name of the cluster, given once when it is founded.
    pub cluster_id: serde_json::Value,
    /// Vectors stored.
    pub items: u64,
    /// Processes with the HTTP API and a vote on the placement.
    pub coordinators: Vec<CoordinatorStatus>,
    /// Shard nodes.
    pub nodes: Vec<NodeStatus>,
    /// Collections.
    pub collections: Vec<CollectionStatus>,
    /// Shards.
    pub shards: Vec<ShardStatus>,
    /// Replicas on their way from node to node.
    pub moves: Vec<MoveStatus>,
    /// Shards that give the upper half of their range to another, new shard.
    pub splits: Vec<SplitStatus>,
}

/// A shard that splits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitStatus {
    /// Its id.
    pub shard: serde_json::Value,
    /// The shard that splits off.
    pub child: serde_json::Value,
    /// Vectors that it has got.
    pub child_rows: u64,
    /// The node that leads it, if there is one.
    pub child_leader: serde_json::Value,
}

/// One coordinator.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CoordinatorStatus {
    /// Its id in the placement group.
    pub id: serde_json::Value,
    /// Where its peers reach it.
    pub grpc: String,
    /// Where its clients reach it.
    pub http: Option<String>,
    /// Whether it leads the placement group.
    pub leader: bool,
    /// Whether it answers.
    pub alive: Option<bool>,
}

/// One shard node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Its id, kept in its data directory.
    pub id: serde_json::Value,
    /// Where its peers reach it.
    pub grpc: String,
    /// Whether it answers.
    pub alive: Option<bool>,
    /// Replicas on it that lead their shard.
    pub leaders: u64,
    /// Replicas on it.
    pub replicas: u64,
    /// Memory its vectors take, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether it is being emptied.
    pub draining: bool,
}

/// One collection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectionStatus {
    /// Its name.
    pub name: String,
    /// Values in each vector; none before the first ingest.
    pub dimension: Option<u64>,
    /// Vectors stored.
    pub rows: Option<u64>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    /// Its id.
    pub id: serde_json::Value,
    /// The collection it is a part of.
    pub collection: serde_json::Value,
    /// The node whose replica leads, if one does.
    pub leader: serde_json::Value,
    /// The nodes that hold a replica.
    pub replicas: Vec<serde_json::Value>,
    /// Vectors stored.
    pub rows: Option<u64>,
    /// What is wrong with its replicas.
    pub faults: Vec<String>,
    /// Why the last move of its replicas was given up, if it was.
    pub move_failed: Option<String>,
}

/// A shard whose replicas change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MoveStatus {
    /// The shard.
    pub shard: serde_json::Value,
    /// Why.
    pub reason: String,
    /// The nodes that will hold no copy any more.
    pub from: Vec<serde_json::Value>,
    /// The nodes that get a copy.
    pub to: Vec<serde_json::Value>,
    /// Bytes of files sent so far.
    pub sent_bytes: u64,
    /// Bytes of files to send in all.
    pub total_bytes: u64,
    /// Bytes sent a second.
    pub bytes_per_second: u64,
    /// Entries of the log that the slowest of the new copies lacks.
    pub missing_entries: u64,
    /// How far the copying is; none before it has begun.
    pub percent: Option<f64>,
    /// When the files will be there, if it goes on like this.
    pub eta_seconds: Option<u64>,
}
