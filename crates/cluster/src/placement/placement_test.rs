use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::NodeId;

fn announce(node: NodeId) -> PlacementCommand {
    PlacementCommand::AnnounceNode {
        node,
        grpc: format!("shard-{node}:8100"),
        http: None,
    }
}

fn create(name: &str, shards: u32, replicas: u32) -> PlacementCommand {
    PlacementCommand::CreateCollection {
        name: name.to_owned(),
        dimension: 3,
        shards,
        replicas,
    }
}

fn map_with_nodes(nodes: NodeId) -> PlacementMap {
    let mut map = PlacementMap::default();
    for node in 1..=nodes {
        assert_eq!(map.apply(&announce(node)), PlacementOutcome::Done);
    }
    map
}

fn spread(counts: &BTreeMap<NodeId, usize>) -> usize {
    counts.values().max().unwrap() - counts.values().min().unwrap()
}

#[test]
fn a_coordinator_that_was_taken_out_stays_out_and_the_last_one_stays_in() {
    let announce = |node: NodeId| PlacementCommand::AnnounceCoordinator {
        node,
        grpc: format!("coordinator-{node}:8100"),
        http: None,
    };
    let mut map = map_with_nodes(1);
    for node in 1..=3 {
        map.apply(&announce(node));
    }
    map.apply(&create("c", 1, 1));
    let remove = |node| PlacementCommand::RemoveCoordinator { node };
    let is_refused = |outcome| matches!(outcome, PlacementOutcome::Refused { .. });
    assert!(is_refused(map.apply(&remove(9))), "unknown");
    assert!(is_refused(map.apply(&remove(1))), "it holds a replica");
    assert_eq!(map.apply(&remove(2)), PlacementOutcome::Done);
    assert_eq!(map.apply(&remove(2)), PlacementOutcome::Done, "again");
    assert!(is_refused(map.apply(&announce(2))));
    assert_eq!(map.coordinators.len(), 2);
    assert_eq!(map.apply(&remove(3)), PlacementOutcome::Done);
    map.shards.clear();
    assert!(is_refused(map.apply(&remove(1))), "the last one");
}

prop_compose! {
    fn any_command()(
        kind in 0..5,
        node in 1..6_u64,
        port in 1..4_u16,
        name in "[ab]",
        shards in 0..9_u32,
        replicas in 0..6_u32,
    ) -> PlacementCommand {
        let grpc = format!("host:{port}");
        match kind {
            0 => PlacementCommand::FoundCluster { cluster_id: name },
            1 => PlacementCommand::AnnounceCoordinator { node, grpc, http: None },
            2 | 3 => PlacementCommand::AnnounceNode { node, grpc, http: Some("web:80".to_owned()) },
            _ => create(&name, shards, replicas),
        }
    }
}

proptest! {
    #[test]
    fn every_id_belongs_to_exactly_one_shard(shards in 1..40_u32, id in ".{0,12}") {
        let mut map = map_with_nodes(3);
        map.apply(&create("c", shards, 1));
        let hash = hash(&id);
        let holders: Vec<u64> = map
            .shards
            .iter()
            .filter(|(_, shard)| (shard.first..=shard.last).contains(&hash))
            .map(|(id, _)| *id)
            .collect();
        prop_assert_eq!(holders, vec![map.shard_of("c", &id).unwrap()]);
        prop_assert_eq!(map.shard_of("other", &id), None);
    }

    #[test]
    fn the_ranges_of_a_collection_cover_all_hashes_in_equal_parts(shards in 1..300_u32) {
        let mut map = map_with_nodes(1);
        map.apply(&create("c", shards, 1));
        let mut next = 0_u128;
        let mut lengths = BTreeSet::new();
        for id in &map.collections["c"].shards {
            let shard = &map.shards[id];
            prop_assert_eq!(u128::from(shard.first), next);
            next = u128::from(shard.last) + 1;
            lengths.insert(shard.last - shard.first);
        }
        prop_assert_eq!(next, 1_u128 << 64);
        prop_assert!(lengths.last().unwrap() - lengths.first().unwrap() <= 1);
    }

    #[test]
    fn replicas_are_distinct_odd_in_number_and_spread_evenly(
        nodes in 1..9_u64,
        collections in prop::collection::vec((1..20_u32, 1..8_u32), 1..4),
    ) {
        let mut map = map_with_nodes(nodes);
        for (number, (shards, replicas)) in collections.iter().enumerate() {
            map.apply(&create(&format!("c{number}"), *shards, *replicas));
        }
        let mut held: BTreeMap<NodeId, usize> = map.nodes.keys().map(|node| (*node, 0)).collect();
        let mut led = held.clone();
        for shard in map.shards.values() {
            let number: usize = shard.collection[1..].parse().unwrap();
            let wanted = collections[number].1.min(nodes as u32) as usize;
            let distinct: BTreeSet<NodeId> = shard.replicas.iter().copied().collect();
            prop_assert_eq!(distinct.len(), shard.replicas.len());
            prop_assert!(distinct.iter().all(|replica| map.nodes.contains_key(replica)));
            prop_assert_eq!(distinct.len() % 2, 1);
            prop_assert!(wanted - distinct.len() <= 1);
            for replica in &shard.replicas {
                *held.get_mut(replica).unwrap() += 1;
            }
            *led.get_mut(&shard.replicas[0]).unwrap() += 1;
        }
        prop_assert!(spread(&held) <= 1, "replicas held: {:?}", held);
        if collections.len() == 1 {
            prop_assert!(spread(&led) <= 1, "shards to lead: {:?}", led);
        }
    }

    #[test]
    fn the_same_commands_give_the_same_map_and_versions_count_the_changes(
        commands in prop::collection::vec(any_command(), 0..30)
    ) {
        let (mut one, mut other) = (PlacementMap::default(), PlacementMap::default());
        for command in &commands {
            let before = one.clone();
            let outcome = one.apply(command);
            prop_assert_eq!(&outcome, &other.apply(command));
            prop_assert_eq!(&one, &other);

            let changed = PlacementMap { version: before.version, ..one.clone() } != before;
            prop_assert_eq!(one.version, before.version + u64::from(changed));
            if matches!(outcome, PlacementOutcome::Refused { .. }) {
                prop_assert!(!changed);
            }
            // Every command may be proposed twice.
            let mut repeated = one.clone();
            prop_assert_eq!(&repeated.apply(command), &outcome);
            prop_assert_eq!(&repeated, &one);
        }
        let json = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(serde_json::from_str::<PlacementMap>(&json).unwrap(), one);
        for command in commands {
            let json = serde_json::to_string(&command).unwrap();
            prop_assert_eq!(serde_json::from_str::<PlacementCommand>(&json).unwrap(), command);
        }
    }
}

#[test]
fn a_collection_needs_a_shard_node() {
    let mut map = PlacementMap::default();
    let outcome = map.apply(&create("c", 2, 1));
    assert!(
        matches!(outcome, PlacementOutcome::Refused { .. }),
        "{outcome:?}"
    );
    assert_eq!(map, PlacementMap::default());
}

#[test]
fn a_collection_that_exists_is_returned_as_it_is() {
    let mut map = map_with_nodes(3);
    let PlacementOutcome::Collection(first) = map.apply(&create("c", 2, 3)) else {
        panic!("not created");
    };
    let again = PlacementCommand::CreateCollection {
        name: "c".to_owned(),
        dimension: 99,
        shards: 7,
        replicas: 1,
    };
    assert_eq!(map.apply(&again), PlacementOutcome::Collection(first));
}

#[test]
fn a_node_that_announces_another_address_stays_the_same_node() {
    let mut map = map_with_nodes(2);
    map.apply(&create("c", 4, 1));
    let before = map.clone();
    map.apply(&PlacementCommand::AnnounceNode {
        node: 2,
        grpc: "elsewhere:8100".to_owned(),
        http: None,
    });
    assert_eq!(map.nodes.len(), 2);
    assert_eq!(map.nodes[&2].grpc, "elsewhere:8100");
    assert_eq!(map.shards, before.shards);
}

#[test]
fn a_founded_cluster_keeps_its_name() {
    let mut map = PlacementMap::default();
    let found = |name: &str| PlacementCommand::FoundCluster {
        cluster_id: name.to_owned(),
    };
    assert_eq!(map.apply(&found("blue")), PlacementOutcome::Done);
    assert_eq!(map.apply(&found("blue")), PlacementOutcome::Done);
    assert!(matches!(
        map.apply(&found("green")),
        PlacementOutcome::Refused { .. }
    ));
    assert_eq!(map.cluster_id.as_deref(), Some("blue"));
}

#[test]
fn a_read_barrier_tells_the_version_and_changes_nothing() {
    let mut map = PlacementMap::default();
    let cluster_id = "c1".to_owned();
    map.apply(&PlacementCommand::FoundCluster { cluster_id });
    let before = map.clone();
    let outcome = map.apply(&PlacementCommand::ReadBarrier);
    let version = before.version;
    assert_eq!(outcome, PlacementOutcome::AsOf { version });
    assert_eq!(map, before);
}
