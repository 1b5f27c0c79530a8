//! The cluster at a glance, as one coordinator sees it.

use serde::Serialize;
use utoipa::ToSchema;

use vectra_cluster::placement::{Move, MoveReason, Shard};
use vectra_wire::v1::CatchUp;

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
    /// Replicas on their way from node to node.
    pub moves: Vec<MoveStatus>,
    /// Shards that give the upper half of their range to another, new shard.
    pub splits: Vec<SplitStatus>,
}

/// A shard that splits.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SplitStatus {
    /// Shard id.
    pub shard: u64,
    /// The shard that splits off, not among the others yet.
    pub child: u64,
    /// Vectors that it has got, as far as known.
    pub child_rows: u64,
    /// The node that leads it, as far as known.
    pub child_leader: Option<u64>,
}

/// A shard whose replicas change.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MoveStatus {
    /// Shard id.
    pub shard: u64,
    /// Why: `raise`, `spread`, `drain`, `dead`, `damaged` or `given_up`.
    #[schema(value_type = String)]
    pub reason: MoveReason,
    /// The nodes that will hold no copy any more.
    pub from: Vec<u64>,
    /// The nodes that get a copy.
    pub to: Vec<u64>,
    /// Bytes of files sent so far.
    pub sent_bytes: u64,
    /// Bytes of files to send in all, as far as known; entries of the log come after them.
    pub total_bytes: u64,
    /// Bytes sent a second.
    pub bytes_per_second: u64,
    /// Entries of the log that the slowest of the new copies lacks.
    pub missing_entries: u64,
    /// How far the copying is, in per cent; absent before it has begun.
    pub percent: Option<f64>,
    /// When the files will be there, if it goes on like this.
    pub eta_seconds: Option<u64>,
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
    /// Bytes of replicas' files that it has sent to other nodes since its start.
    pub sent_bytes: u64,
    /// Whether it is being emptied.
    pub draining: bool,
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
    /// Bytes of the files of one copy.
    pub bytes: u64,
    /// What is wrong with its replicas.
    pub faults: Vec<String>,
    /// Why the last move of its replicas was given up, if it was.
    pub move_failed: Option<String>,
}

impl Root {
    /// The cluster as this coordinator sees it; other nodes' figures are up to a second old.
    pub fn cluster_status(&self) -> ClusterStatus {
        self.hear_own_leaf();
        let map = self.map();
        let shard_status = |(&id, shard): (&u64, &vectra_cluster::placement::Shard)| {
            let mut glance = self.directory.shard(id);
            // The rows that have left are counted here until the child is there.
            if let Some(split) = &shard.split
                && glance.splits > shard.splits
            {
                glance.rows += self.directory.shard(split.child).rows;
            }
            ShardStatus {
                id,
                collection: shard.collection.clone(),
                leader: glance.leader,
                replicas: shard.replicas.clone(),
                rows: glance.rows,
                bytes: glance.bytes,
                faults: glance.faults,
                move_failed: shard.failed.as_ref().map(|failed| failed.reason.clone()),
            }
        };
        let shards: Vec<ShardStatus> = map.shards.iter().map(shard_status).collect();
        let node_status = |(&id, node): (&u64, &vectra_cluster::placement::ShardNode)| {
            let NodeGlance { alive, figures } = self.directory.node(id);
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
                memory_bytes: figures.memory_bytes,
                sent_bytes: figures.sent_bytes,
                draining: node.draining,
            }
        };
        let move_status = |(&id, shard): (&u64, &vectra_cluster::placement::Shard)| {
            let next = shard.next.as_ref()?;
            Some(move_status(id, shard, next, &self.directory.catch_ups(id)))
        };
        let split_status = |(&id, shard): (&u64, &vectra_cluster::placement::Shard)| {
            let split = shard.split.as_ref()?;
            let child = self.directory.shard(split.child);
            Some(SplitStatus {
                shard: id,
                child: split.child,
                child_rows: child.rows,
                child_leader: child.leader,
            })
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
            moves: map.shards.iter().filter_map(move_status).collect(),
            splits: map.shards.iter().filter_map(split_status).collect(),
            shards,
        }
    }
}

fn move_status(id: u64, shard: &Shard, next: &Move, catch_ups: &[CatchUp]) -> MoveStatus {
    let added = next.replicas.iter().copied();
    let to: Vec<u64> = added
        .filter(|node| !shard.replicas.contains(node))
        .collect();
    let arriving: Vec<&CatchUp> = catch_ups
        .iter()
        .filter(|one| to.contains(&one.node))
        .collect();
    let sum = |of: fn(&CatchUp) -> u64| arriving.iter().map(|one| of(one)).sum::<u64>();
    let sent = sum(|one| one.sent_bytes);
    let total = sum(|one| one.total_bytes);
    let rate = sum(|one| one.bytes_per_second);
    let missing = arriving.iter().map(|one| one.missing_entries).max();
    // Without files to send, or with all of them there, only entries are missing.
    let percent = match missing {
        None => None,
        Some(0) => Some(100.0),
        Some(_) if total > 0 => Some((sent as f64 / total as f64 * 100.0).min(99.0)),
        Some(_) => Some(0.0),
    };
    MoveStatus {
        shard: id,
        reason: next.reason,
        from: next.leaving.iter().copied().collect(),
        to,
        sent_bytes: sent,
        total_bytes: total,
        bytes_per_second: rate,
        missing_entries: missing.unwrap_or_default(),
        percent,
        eta_seconds: total.saturating_sub(sent).checked_div(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(catch_ups: &[CatchUp]) -> MoveStatus {
        let shard = Shard::new("default", 0, 9, vec![1, 2, 3]);
        let next = Move {
            replicas: vec![2, 3, 4],
            leaving: [1].into(),
            reason: MoveReason::Drain,
            since: 7,
        };
        move_status(5, &shard, &next, catch_ups)
    }

    #[test]
    fn a_move_tells_how_far_its_copies_are_and_when_they_will_be_there() {
        let waiting = status_of(&[]);
        assert_eq!((waiting.from, waiting.to), (vec![1], vec![4]));
        assert_eq!((waiting.percent, waiting.eta_seconds), (None, None));

        let under_way = CatchUp {
            node: 4,
            sent_bytes: 300,
            total_bytes: 1_000,
            bytes_per_second: 70,
            missing_entries: 12,
        };
        // A follower that lags is no part of the move.
        let lagging = CatchUp {
            node: 2,
            sent_bytes: 1,
            total_bytes: 9_000,
            ..under_way
        };
        let moving = status_of(&[under_way, lagging]);
        assert_eq!(moving.percent, Some(30.0));
        assert_eq!(moving.eta_seconds, Some(10));

        let arrived = CatchUp {
            sent_bytes: 1_000,
            bytes_per_second: 0,
            missing_entries: 0,
            ..under_way
        };
        assert_eq!(status_of(&[arrived]).percent, Some(100.0));
    }
}
