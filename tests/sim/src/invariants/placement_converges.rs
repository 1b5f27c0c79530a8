//! Once faults stop, the placement comes to rest: every shard has the replicas it should, where it should,
//! and nothing is under way.

use std::collections::{BTreeMap, BTreeSet};

use vectra_cluster::NodeId;
use vectra_server::node::Node;

use crate::world::World;

/// What is not at rest yet.
pub(crate) fn check(world: &World) -> Result<(), String> {
    let nodes = world.nodes();
    let missing: Vec<String> = world
        .expected()
        .difference(&nodes.keys().cloned().collect())
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(format!("{missing:?} have not started"));
    }
    let shard_nodes: BTreeMap<NodeId, &Node> = nodes
        .values()
        .filter(|node| node.leaf().is_some())
        .map(|node| (node.id(), node))
        .collect();
    let maps: Vec<_> = nodes
        .values()
        .map(|node| node.map().borrow().clone())
        .collect();
    let Some(map) = maps.iter().max_by_key(|map| map.version) else {
        return Err("there is no node".to_owned());
    };
    if maps.iter().any(|other| other.version != map.version) {
        return Err("not every node has the latest map".to_owned());
    }
    if map.shards.is_empty() {
        return Err("there are no shards".to_owned());
    }
    let usable: BTreeSet<NodeId> = shard_nodes
        .keys()
        .filter(|node| map.nodes.get(node).is_some_and(|found| !found.draining))
        .copied()
        .collect();
    let wanted = if usable.len() >= 3 { 3 } else { 1 };
    let mut load: BTreeMap<NodeId, (u64, u64)> =
        usable.iter().map(|node| (*node, (0, 0))).collect();
    for (id, shard) in &map.shards {
        let left: Vec<_> = shard
            .left
            .keys()
            .filter(|node| shard_nodes.contains_key(node))
            .collect();
        if shard.next.is_some() || !left.is_empty() {
            return Err(format!(
                "shard {id} is on its way: {:?}, left {left:?}",
                shard.next
            ));
        }
        if shard.replicas.len() != wanted
            || shard.replicas.iter().any(|node| !usable.contains(node))
        {
            return Err(format!(
                "shard {id} has replicas {:?}, and should have {wanted} of {usable:?}",
                shard.replicas
            ));
        }
        let replicas: BTreeSet<NodeId> = shard.replicas.iter().copied().collect();
        let mut last = BTreeSet::new();
        for (place, node) in shard.replicas.iter().enumerate() {
            if let Some((held, led)) = load.get_mut(node) {
                *held += 1;
                *led += u64::from(place == 0);
            }
            let group = shard_nodes
                .get(node)
                .and_then(|found| found.leaf()?.groups().get(*id));
            let Some(group) = group else {
                return Err(format!("node {node} has no replica of shard {id}"));
            };
            let status = group.status();
            if let Some(fault) = status.fault {
                return Err(format!("shard {id} on node {node}: {fault}"));
            }
            if status.voters != replicas || !status.learners.is_empty() {
                return Err(format!(
                    "shard {id} has members {:?} and learners {:?}, not {replicas:?}",
                    status.voters, status.learners
                ));
            }
            if status.leader != shard.replicas.first().copied() {
                return Err(format!("shard {id} is led by {:?}", status.leader));
            }
            if status.applied != status.last_log {
                return Err(format!("shard {id} on node {node} has not applied all"));
            }
            last.insert(status.last_log);
        }
        if last.len() > 1 {
            return Err(format!("the replicas of shard {id} end at {last:?}"));
        }
    }
    for (node, found) in &shard_nodes {
        let placed = map
            .shards
            .iter()
            .filter(|(_, shard)| shard.replicas.contains(node))
            .count();
        let held = found.leaf().map_or(0, |leaf| leaf.groups().all().len());
        if placed != held {
            return Err(format!(
                "node {node} holds {held} replicas, {placed} are placed on it"
            ));
        }
    }
    check_evenness(&load)
}

fn check_evenness(load: &BTreeMap<NodeId, (u64, u64)>) -> Result<(), String> {
    for (what, of) in [
        ("replicas", (|load| load.0) as fn(&(u64, u64)) -> u64),
        ("leaders", |load| load.1),
    ] {
        let most = load.values().map(of).max().unwrap_or_default();
        let least = load.values().map(of).min().unwrap_or_default();
        if most > least + 1 {
            return Err(format!("{what} are uneven: {load:?}"));
        }
    }
    Ok(())
}
