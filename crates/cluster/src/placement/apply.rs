//! How a command changes the map.

use std::collections::BTreeMap;

use super::balance::largest_odd;
use super::{
    Collection, Coordinator, PlacementCommand, PlacementMap, PlacementOutcome, Shard, ShardNode,
};
use crate::{NodeId, ShardId};

impl PlacementMap {
    /// Applies one command. The same commands in the same order give the same map everywhere.
    pub fn apply(&mut self, command: &PlacementCommand) -> PlacementOutcome {
        match command {
            PlacementCommand::FoundCluster { cluster_id } => self.found(cluster_id),
            PlacementCommand::AnnounceCoordinator { node, .. }
                if self.removed_coordinators.contains(node) =>
            {
                refused(format!("coordinator {node} was taken out of the cluster"))
            }
            PlacementCommand::RemoveCoordinator { node } => self.remove_coordinator(*node),
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
                let known = self.nodes.get(node);
                let announced = ShardNode {
                    grpc: grpc.clone(),
                    http: http.clone(),
                    draining: known.is_some_and(|known| known.draining),
                };
                if known != Some(&announced) {
                    self.nodes.insert(*node, announced);
                    self.version += 1;
                }
                PlacementOutcome::Done
            }
            PlacementCommand::ReadBarrier => PlacementOutcome::AsOf {
                version: self.version,
            },
            PlacementCommand::CreateCollection {
                name,
                dimension,
                shards,
                replicas,
            } => self.create_collection(name, *dimension, *shards, *replicas),
            PlacementCommand::Drain { node, draining } => self.drain(*node, *draining),
            PlacementCommand::BeginSplit { shard, range, at } => {
                self.begin_split(*shard, *range, *at)
            }
            PlacementCommand::FinishSplit { shard, child } => self.finish_split(*shard, *child),
            PlacementCommand::NoteFounded { shard }
            | PlacementCommand::BeginMove { shard, .. }
            | PlacementCommand::FinishMove { shard, .. }
            | PlacementCommand::GiveUpMove { shard, .. }
            | PlacementCommand::LeaveAgain { shard, .. }
            | PlacementCommand::ForgetReplica { shard, .. }
            | PlacementCommand::PreferLeader { shard, .. } => self.change_shard(*shard, command),
        }
    }

    fn remove_coordinator(&mut self, node: NodeId) -> PlacementOutcome {
        if self.removed_coordinators.contains(&node) {
            return PlacementOutcome::Done;
        }
        if !self.coordinators.contains_key(&node) {
            return refused(format!("there is no coordinator {node}"));
        }
        if self.coordinators.len() == 1 {
            return refused(format!("coordinator {node} is the only one"));
        }
        let mut shards = self.shards.values();
        if shards.any(|shard| shard.hosts().contains(&node)) {
            return refused(format!(
                "coordinator {node} is a shard node as well and holds replicas: drain it first"
            ));
        }
        self.coordinators.remove(&node);
        self.removed_coordinators.insert(node);
        self.version += 1;
        PlacementOutcome::Done
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
        let usable = self.nodes.values().filter(|node| !node.draining).count();
        if usable == 0 {
            return refused(
                "no shard node has joined the cluster yet, or all are being drained".to_owned(),
            );
        }

        let copies = largest_odd(usable.min(replicas as usize));
        let mut ids = Vec::with_capacity(shards as usize);
        for (first, last) in equal_slices(shards) {
            let replicas = self.least_loaded_nodes(copies);
            self.last_shard += 1;
            let shard = Shard::new(name, first, last, replicas);
            self.shards.insert(self.last_shard, shard);
            ids.push(self.last_shard);
        }
        let collection = Collection {
            dimension,
            replicas,
            shards: ids,
        };
        self.collections.insert(name.to_owned(), collection.clone());
        self.version += 1;
        PlacementOutcome::Collection(collection)
    }

    /// The nodes that hold the fewest replicas, those chosen longest ago first; the one of them
    /// that leads the fewest shards in front.
    fn least_loaded_nodes(&self, count: usize) -> Vec<NodeId> {
        let mut loads: BTreeMap<NodeId, Load> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.draining)
            .map(|(node, _)| (*node, Load::default()))
            .collect();
        for (id, shard) in &self.shards {
            for (position, replica) in shard.wanted().iter().enumerate() {
                if let Some(load) = loads.get_mut(replica) {
                    load.held += 1;
                    load.led += usize::from(position == 0);
                    load.last_chosen = (*id, position);
                }
            }
        }

        let mut candidates: Vec<(NodeId, Load)> = loads.into_iter().collect();
        candidates.sort_by_key(|(node, load)| (load.held, load.last_chosen, *node));
        candidates.truncate(count);
        let first = (0..candidates.len()).min_by_key(|position| candidates[*position].1.led);
        candidates.rotate_left(first.unwrap_or(0));
        candidates.into_iter().map(|(node, _)| node).collect()
    }
}

/// What the shards placed so far ask of one node.
#[derive(Default)]
struct Load {
    /// Replicas.
    held: usize,
    /// Shards it should lead.
    led: usize,
    /// The last shard it was chosen for, and its place among the replicas.
    last_chosen: (ShardId, usize),
}

pub(super) fn refused(reason: String) -> PlacementOutcome {
    PlacementOutcome::Refused { reason }
}

/// Cuts all 64-bit hashes into ranges whose lengths differ by one at the most.
fn equal_slices(count: u32) -> impl Iterator<Item = (u64, u64)> {
    let all = 1_u128 << 64;
    let count = u128::from(count);
    let start_of = move |slice: u128| slice * all / count;
    (0..count).map(move |slice| (start_of(slice) as u64, (start_of(slice + 1) - 1) as u64))
}
