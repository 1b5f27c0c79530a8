//! How a command changes the map.

use std::collections::BTreeMap;

use super::{
    Collection, Coordinator, PlacementCommand, PlacementMap, PlacementOutcome, Shard, ShardNode,
};
use crate::NodeId;

impl PlacementMap {
    /// Applies one command. The same commands in the same order give the same map everywhere.
    pub fn apply(&mut self, command: &PlacementCommand) -> PlacementOutcome {
        match command {
            PlacementCommand::FoundCluster { cluster_id } => self.found(cluster_id),
            PlacementCommand::AnnounceCoordinator { node, grpc, http } => {
                let announced = Coordinator {
                    grpc: grpc.clone(),
                    http: http.clone(),
                };
                if self.coordinators.get(node) != Some(&announced) {
                    self.coordinators.insert(*node, announced);
                    self.version += 1;
                }
                PlacementOutcome::Done
            }
            PlacementCommand::AnnounceNode { node, grpc, http } => {
                let announced = ShardNode {
                    grpc: grpc.clone(),
                    http: http.clone(),
                };
                if self.nodes.get(node) != Some(&announced) {
                    self.nodes.insert(*node, announced);
                    self.version += 1;
                }
                PlacementOutcome::Done
            }
            PlacementCommand::CreateCollection {
                name,
                dimension,
                shards,
                replicas,
            } => self.create_collection(name, *dimension, *shards, *replicas),
        }
    }

    fn found(&mut self, cluster_id: &str) -> PlacementOutcome {
        match &self.cluster_id {
            Some(known) if known == cluster_id => PlacementOutcome::Done,
            Some(known) => refused(format!("the cluster is already founded as {known:?}")),
            None => {
                self.cluster_id = Some(cluster_id.to_owned());
                self.version += 1;
                PlacementOutcome::Done
            }
        }
    }

    fn create_collection(
        &mut self,
        name: &str,
        dimension: usize,
        shards: u32,
        replicas: u32,
    ) -> PlacementOutcome {
        if let Some(existing) = self.collections.get(name) {
            return PlacementOutcome::Collection(existing.clone());
        }
        if name.is_empty() || dimension == 0 || shards == 0 || replicas == 0 {
            return refused(
                "a collection needs a name, and at least one dimension, shard and replica"
                    .to_owned(),
            );
        }
        if self.nodes.is_empty() {
            return refused("no shard node has joined the cluster yet".to_owned());
        }

        let copies = largest_odd(self.nodes.len().min(replicas as usize));
        let mut ids = Vec::with_capacity(shards as usize);
        for (first, last) in equal_slices(shards) {
            let replicas = self.least_loaded_nodes(copies);
            self.last_shard += 1;
            let shard = Shard {
                collection: name.to_owned(),
                first,
                last,
                replicas,
            };
            self.shards.insert(self.last_shard, shard);
            ids.push(self.last_shard);
        }
        let collection = Collection {
            dimension,
            shards: ids,
        };
        self.collections.insert(name.to_owned(), collection.clone());
        self.version += 1;
        PlacementOutcome::Collection(collection)
    }

    /// The nodes that hold the fewest replicas; of those, the one that should lead the fewest
    /// shards comes first.
    fn least_loaded_nodes(&self, count: usize) -> Vec<NodeId> {
        let mut held: BTreeMap<NodeId, usize> = self.nodes.keys().map(|node| (*node, 0)).collect();
        let mut led = held.clone();
        for shard in self.shards.values() {
            for replica in &shard.replicas {
                held.entry(*replica).and_modify(|held| *held += 1);
            }
            if let Some(leader) = shard.replicas.first() {
                led.entry(*leader).and_modify(|led| *led += 1);
            }
        }

        let mut chosen: Vec<NodeId> = self.nodes.keys().copied().collect();
        chosen.sort_by_key(|node| (held[node], led[node], *node));
        chosen.truncate(count);
        chosen.sort_by_key(|node| (led[node], held[node], *node));
        chosen
    }
}

fn refused(reason: String) -> PlacementOutcome {
    PlacementOutcome::Refused { reason }
}

fn largest_odd(at_most: usize) -> usize {
    at_most.saturating_sub(usize::from(at_most.is_multiple_of(2)))
}

/// Cuts all 64-bit hashes into ranges whose lengths differ by one at the most.
fn equal_slices(count: u32) -> impl Iterator<Item = (u64, u64)> {
    let all = 1_u128 << 64;
    let count = u128::from(count);
    let start_of = move |slice: u128| slice * all / count;
    (0..count).map(move |slice| (start_of(slice) as u64, (start_of(slice + 1) - 1) as u64))
}
