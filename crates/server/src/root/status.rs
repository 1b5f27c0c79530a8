//! The cluster at a glance, as one coordinator sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Root, directory::NodeGlance};

/// The cluster at a glance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClusterStatus {
    /// Names the cluster; absent until it is founded.
    pub cluster_id: Option<String>,
    /// Vectors stored, over all collections.
    pub items: u64,
    /// The members of the placement group.
    pub coordinators: Vec<CoordinatorStatus>,
    /// The processes that host replicas.
    pub nodes: Vec<NodeStatus>,
    /// Named sets of vectors.
    pub collections: Vec<CollectionStatus>,
    /// Hash ranges of the collections' ids.
    pub shards: Vec<ShardStatus>,
}

/// One coordinator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CoordinatorStatus {
    /// Node id.
    pub id: u64,
    /// gRPC address, `name:port`.
    pub grpc: String,
    /// HTTP address.
    pub http: Option<String>,
    /// Whether it leads the placement group.
    pub leader: bool,
    /// Whether it answered within the last seconds.
    pub alive: bool,
}

/// One shard node.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NodeStatus {
    /// Node id.
    pub id: u64,
    /// gRPC address, `name:port`.
    pub grpc: String,
    /// Whether it announced itself within the last seconds.
    pub alive: bool,
    /// Shards that it leads.
    pub leaders: u64,
    /// Replicas placed on it.
    pub replicas: u64,
    /// Memory of its shards, in bytes.
    pub memory_bytes: u64,
}

/// One collection.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CollectionStatus {
    /// Its name.
    pub name: String,
    /// Values a vector.
    pub dimension: usize,
    /// Vectors stored.
    pub rows: u64,
}

/// One shard.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ShardStatus {
    /// Shard id.
    pub id: u64,
    /// The collection it belongs to.
    pub collection: String,
    /// The node that leads it, as far as known.
    pub leader: Option<u64>,
    /// The nodes that hold a copy.
    pub replicas: Vec<u64>,
    /// Vectors stored.
    pub rows: u64,
    /// What is wrong with its replicas.
    pub faults: Vec<String>,
}

impl Root {
    /// The cluster as this coordinator sees it; other nodes' figures are up to a second old.
    pub fn cluster_status(&self) -> ClusterStatus {
        if let Some((own, leaf)) = self.leaves.own() {
            self.directory
                .node_announced(*own, leaf.memory_bytes(), leaf.reports());
        }
        let map = self.map();
        let shard_status = |(&id, shard): (&u64, &vectra_cluster::placement::Shard)| {
            let glance = self.directory.shard(id);
            ShardStatus {
                id,
                collection: shard.collection.clone(),
                leader: glance.leader,
                replicas: shard.replicas.clone(),
                rows: glance.rows,
                faults: glance.faults,
            }
        };
        let shards: Vec<ShardStatus> = map.shards.iter().map(shard_status).collect();
        let node_status = |(&id, node): (&u64, &vectra_cluster::placement::ShardNode)| {
            let NodeGlance {
                alive,
                memory_bytes,
            } = self.directory.node(id);
            let led = shards
                .iter()
                .filter(|shard| shard.leader == Some(id))
                .count();
            let held = shards
                .iter()
                .filter(|shard| shard.replicas.contains(&id))
                .count();
            let grpc = node.grpc.clone();
            NodeStatus {
                id,
                grpc,
                alive,
                leaders: led as u64,
                replicas: held as u64,
                memory_bytes,
            }
        };
        let leader = self.placement.leader();
        let coordinator_status =
            |(&id, found): (&u64, &vectra_cluster::placement::Coordinator)| CoordinatorStatus {
                id,
                grpc: found.grpc.clone(),
                http: found.http.clone(),
                leader: leader == Some(id),
                alive: self.directory.coordinator_alive(id),
            };
        let collection_status =
            |(name, found): (&String, &vectra_cluster::placement::Collection)| {
                let of_it = shards.iter().filter(|shard| shard.collection == *name);
                CollectionStatus {
                    name: name.clone(),
                    dimension: found.dimension,
                    rows: of_it.map(|shard| shard.rows).sum(),
                }
            };
        ClusterStatus {
            cluster_id: map.cluster_id.clone(),
            items: shards.iter().map(|shard| shard.rows).sum(),
            coordinators: map.coordinators.iter().map(coordinator_status).collect(),
            nodes: map.nodes.iter().map(node_status).collect(),
            collections: map.collections.iter().map(collection_status).collect(),
            shards,
        }
    }
}
