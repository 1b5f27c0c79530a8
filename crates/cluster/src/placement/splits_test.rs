#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Limits, MoveReason, Observed, ObservedLeader, ObservedNode, ObservedReplica, ObservedShard,
    PlacementCommand, PlacementMap, PlacementOutcome, Position,
};
use crate::{NodeId, ShardId};

const LIMITS: Limits = Limits {
    dead_after: Duration::from_secs(600),
    at_once: 2,
    split_at: 1_000,
};

/// A cluster of three nodes whose groups do at once what the map asks for.
struct World {
    map: PlacementMap,
    rows: BTreeMap<ShardId, u64>,
    silent: BTreeSet<NodeId>,
    /// Splits that the groups have carried out.
    splits: BTreeMap<ShardId, u32>,
    /// Whether a child's group has a leader as soon as there is the child.
    elects: bool,
}

impl World {
    fn new(shards: u32, replicas: u32) -> Self {
        let mut map = PlacementMap::default();
        for node in 1..=3 {
            map.apply(&PlacementCommand::AnnounceNode {
                node,
                grpc: format!("shard-{node}:8100"),
                http: None,
            });
        }
        map.apply(&PlacementCommand::CreateCollection {
            name: "default".to_owned(),
            dimension: 4,
            shards,
            replicas,
        });
        for shard in 1..=u64::from(shards) {
            map.apply(&PlacementCommand::NoteFounded { shard });
        }
        Self {
            map,
            rows: BTreeMap::new(),
            silent: BTreeSet::new(),
            splits: BTreeMap::new(),
            elects: true,
        }
    }

    fn observed(&self) -> Observed {
        let mut observed = Observed::default();
        for node in self.map.nodes.keys() {
            let silent = match self.silent.contains(node) {
                true => Duration::from_secs(60),
                false => Duration::ZERO,
            };
            observed.nodes.insert(*node, ObservedNode { silent });
        }
        let children = self.map.unfinished_children().collect::<Vec<_>>();
        let children = children.iter().map(|(id, shard)| (id, shard, self.elects));
        let shards = self.map.shards.iter().map(|(id, shard)| (id, shard, true));
        for (id, shard, ready) in shards.chain(children) {
            let leader = ObservedLeader {
                node: shard.replicas[0],
                settled: self.map.version,
                as_of: Position {
                    term: 1,
                    node: 1,
                    index: 1,
                },
                ready,
            };
            let copy = ObservedReplica {
                rows: self.rows.get(id).copied().unwrap_or_default(),
                splits: self.splits.get(id).copied().unwrap_or_default(),
                ..ObservedReplica::default()
            };
            let replicas = shard.replicas.iter().map(|node| (*node, copy.clone()));
            let seen = ObservedShard {
                leader: Some(leader),
                replicas: replicas.collect(),
                ..ObservedShard::default()
            };
            observed.shards.insert(*id, seen);
        }
        observed
    }

    fn plan(&self) -> Vec<PlacementCommand> {
        self.map.plan(&self.observed(), &LIMITS)
    }

    /// Plans, applies, and lets the groups carry out the splits; the number of commands.
    fn step(&mut self) -> usize {
        let commands = self.plan();
        for command in &commands {
            let outcome = self.map.apply(command);
            let is_refused = matches!(outcome, PlacementOutcome::Refused { .. });
            assert!(!is_refused, "{command:?}: {outcome:?}");
            if let PlacementCommand::BeginSplit { shard, .. } = command {
                let child = self.map.shards[shard].split.as_ref().unwrap().child;
                let rows = self.rows.remove(shard).unwrap();
                self.rows.insert(*shard, rows / 2);
                self.rows.insert(child, rows - rows / 2);
                *self.splits.entry(*shard).or_default() += 1;
            }
        }
        commands.len()
    }

    /// Each hash belongs to one shard, in the order of the collection's list.
    fn assert_whole(&self) {
        let mut next = Some(0);
        for id in &self.map.collections["default"].shards {
            let shard = &self.map.shards[id];
            assert_eq!(Some(shard.first), next, "{:#?}", self.map);
            assert!(shard.first <= shard.last);
            next = shard.last.checked_add(1);
        }
        assert_eq!(next, None, "hashes after the last shard");
        assert_eq!(
            self.map.collections["default"].shards.len(),
            self.map.shards.len()
        );
    }
}

#[test]
fn a_shard_that_outgrows_the_limit_splits_until_none_does() {
    let mut world = World::new(2, 3);
    world.rows = BTreeMap::from([(1, 7_900), (2, 1_000)]);
    for _round in 0..100 {
        world.assert_whole();
        if world.step() == 0 {
            break;
        }
    }
    assert_eq!(world.step(), 0, "it never comes to rest");
    assert_eq!(world.map.shards.len(), 9);
    assert!(world.rows.values().all(|rows| *rows <= 1_000));
    assert_eq!(world.rows.values().sum::<u64>(), 8_900);
    assert_eq!(world.map.shards[&2].splits, 0, "exactly the limit");
    let child = &world.map.shards[&3];
    assert_eq!((child.parent, child.founded), (Some(1), true));
    assert_eq!(child.replicas.len(), 3);
    // Leaders are even again.
    let mut led = BTreeMap::<NodeId, usize>::new();
    for shard in world.map.shards.values() {
        *led.entry(shard.replicas[0]).or_default() += 1;
    }
    assert_eq!(led.values().copied().collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn a_node_takes_part_in_one_split_at_a_time() {
    let mut world = World::new(3, 1);
    world.rows = BTreeMap::from([(1, 5_000), (2, 5_000), (3, 5_000)]);
    assert_eq!(world.plan().len(), 3, "each on a node of its own");
    let mut world = World::new(3, 3);
    world.rows = BTreeMap::from([(1, 5_000), (2, 5_000), (3, 5_000)]);
    let begun = world.plan();
    assert!(matches!(
        begun[..],
        [PlacementCommand::BeginSplit { shard: 1, .. }]
    ));
    world.elects = false;
    world.step();
    assert_eq!(world.plan(), [], "the child has no leader yet");
    world.assert_whole();
    world.elects = true;
    let finished = world.plan();
    let finish = PlacementCommand::FinishSplit { shard: 1, child: 4 };
    assert_eq!(finished, [finish]);
}

#[test]
fn a_shard_splits_only_while_all_its_replicas_serve_and_none_moves() {
    let mut world = World::new(1, 3);
    world.rows = BTreeMap::from([(1, 5_000)]);
    world.silent = BTreeSet::from([3]);
    assert_eq!(world.plan(), []);
    world.silent.clear();
    // A report from before the last split tells of rows that are elsewhere by now.
    world.map.shards.get_mut(&1).unwrap().splits = 1;
    assert_eq!(world.plan(), []);
    world.map.shards.get_mut(&1).unwrap().splits = 0;
    assert_eq!(world.plan().len(), 1);
}

#[test]
fn what_is_no_longer_as_expected_is_refused_or_changes_nothing() {
    let mut world = World::new(2, 3);
    let range = world.map.shards[&1].range();
    let at = range.middle().unwrap();
    let refuses = |map: &mut PlacementMap, command: PlacementCommand| {
        let before = map.clone();
        let outcome = map.apply(&command);
        assert!(
            matches!(outcome, PlacementOutcome::Refused { .. }),
            "{command:?}"
        );
        assert_eq!(*map, before);
    };
    let begin = |shard, range, at| PlacementCommand::BeginSplit { shard, range, at };
    refuses(&mut world.map, begin(9, range, at));
    refuses(&mut world.map, begin(2, range, at));
    refuses(&mut world.map, begin(1, range, range.first));
    refuses(&mut world.map, begin(1, range, range.last + 1));
    let to_begin = begin(1, range, at);
    assert_eq!(world.map.apply(&to_begin), PlacementOutcome::Done);
    refuses(&mut world.map, to_begin.clone());
    let from = world.map.shards[&1].replicas.clone();
    refuses(
        &mut world.map,
        PlacementCommand::BeginMove {
            shard: 1,
            to: vec![from[0]],
            from,
            reason: MoveReason::Spread,
        },
    );

    let before = world.map.clone();
    let finish = |child| PlacementCommand::FinishSplit { shard: 1, child };
    assert_eq!(world.map.apply(&finish(7)), PlacementOutcome::Done);
    assert_eq!(world.map, before, "of another child");
    assert_eq!(world.map.apply(&finish(3)), PlacementOutcome::Done);
    world.assert_whole();
    let finished = world.map.clone();
    assert_eq!(world.map.apply(&finish(3)), PlacementOutcome::Done);
    assert_eq!(world.map, finished, "finished twice");
    refuses(&mut world.map, to_begin);
}

#[test]
fn a_map_from_before_there_were_splits_is_read() {
    let old = r#"{"collection":"default","first":0,"last":9,"replicas":[1]}"#;
    let read: super::Shard = serde_json::from_str(old).unwrap();
    assert_eq!((read.splits, read.split, read.parent), (0, None, None));
}
