#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{
    Limits, MoveReason, Observed, ObservedLeader, ObservedNode, ObservedReplica, ObservedShard,
    PlacementCommand, PlacementMap, PlacementOutcome, Position,
};
use crate::{NodeId, ShardId};

const LIMITS: Limits = Limits {
    dead_after: Duration::from_secs(600),
    at_once: 2,
    split_at: u64::MAX,
};
const LONG_DEAD: Duration = Duration::from_secs(601);

/// A cluster that does what the plan says: its groups follow the map as leaders would make them.
struct World {
    map: PlacementMap,
    silent: BTreeMap<NodeId, Duration>,
    damaged: BTreeSet<(ShardId, NodeId)>,
    /// Copies sent to a node that had none.
    copies: usize,
    index: u64,
}

impl World {
    fn new() -> Self {
        Self {
            map: PlacementMap::default(),
            silent: BTreeMap::new(),
            damaged: BTreeSet::new(),
            copies: 0,
            index: 0,
        }
    }

    fn join(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        for node in nodes {
            self.silent.insert(node, Duration::ZERO);
            self.apply(&PlacementCommand::AnnounceNode {
                node,
                grpc: format!("shard-{node}:8100"),
                http: None,
            });
        }
    }

    fn create(&mut self, shards: u32, replicas: u32) {
        self.apply(&PlacementCommand::CreateCollection {
            name: "default".to_owned(),
            dimension: 4,
            shards,
            replicas,
        });
    }

    fn drain(&mut self, node: NodeId) {
        let draining = true;
        self.apply(&PlacementCommand::Drain { node, draining });
    }

    fn apply(&mut self, command: &PlacementCommand) {
        let outcome = self.map.apply(command);
        assert!(
            !matches!(outcome, PlacementOutcome::Refused { .. }),
            "{command:?}: {outcome:?}"
        );
    }

    fn serves(&self, shard: ShardId, node: NodeId) -> bool {
        self.silent.get(&node) == Some(&Duration::ZERO) && !self.damaged.contains(&(shard, node))
    }

    fn has_majority(&self, shard: ShardId, of: &[NodeId]) -> bool {
        let serving = of.iter().filter(|node| self.serves(shard, **node)).count();
        serving > of.len() / 2
    }

    fn observed(&self) -> Observed {
        let mut observed = Observed::default();
        for (node, silent) in &self.silent {
            observed
                .nodes
                .insert(*node, ObservedNode { silent: *silent });
        }
        for (id, shard) in &self.map.shards {
            let mut seen = ObservedShard::default();
            let leader = shard.replicas.iter().find(|node| self.serves(*id, **node));
            if let Some(leader) = leader
                && self.has_majority(*id, &shard.replicas)
            {
                let added = shard.wanted().iter();
                let mut added = added.filter(|node| !shard.replicas.contains(node));
                let caught_up = added.all(|node| self.serves(*id, *node));
                seen.leader = Some(ObservedLeader {
                    node: *leader,
                    settled: if caught_up { self.map.version } else { 0 },
                    as_of: Position {
                        term: 1,
                        node: *leader,
                        index: self.index,
                    },
                    ready: true,
                });
            }
            for node in self.map.nodes.keys() {
                let damaged = self.damaged.contains(&(*id, *node));
                let is_here = self.silent.get(node) == Some(&Duration::ZERO);
                let dropped = is_here && shard.left.contains_key(node);
                seen.replicas.insert(
                    *node,
                    ObservedReplica {
                        damaged: (damaged && !dropped).then(|| "a flipped bit".to_owned()),
                        dropped,
                        ..ObservedReplica::default()
                    },
                );
            }
            observed.shards.insert(*id, seen);
        }
        observed
    }

    /// One round of planning; the number of commands.
    fn step(&mut self) -> usize {
        self.index += 1;
        let commands = self.map.plan(&self.observed(), &LIMITS);
        for command in &commands {
            self.check(command);
            if let PlacementCommand::BeginMove { from, to, .. } = command {
                self.copies += to.iter().filter(|node| !from.contains(node)).count();
            }
            if let PlacementCommand::ForgetReplica { shard, node } = command {
                self.damaged.remove(&(*shard, *node));
            }
            self.apply(command);
        }
        self.check_load();
        commands.len()
    }

    fn check(&self, command: &PlacementCommand) {
        let PlacementCommand::BeginMove {
            shard, from, to, ..
        } = command
        else {
            return;
        };
        assert!(
            self.has_majority(*shard, from) && self.has_majority(*shard, to),
            "{command:?} would leave the shard without a majority"
        );
        let added = to.iter().filter(|node| !from.contains(node));
        for node in added {
            assert!(self.serves(*shard, *node), "{command:?} copies to nobody");
            assert!(!self.map.nodes[node].draining, "{command:?} fills up again");
        }
    }

    fn check_load(&self) {
        let mut receiving: BTreeMap<NodeId, usize> = BTreeMap::new();
        for shard in self.map.shards.values() {
            let added = shard.wanted().iter();
            for node in added.filter(|node| !shard.replicas.contains(node)) {
                *receiving.entry(*node).or_default() += 1;
            }
        }
        let most = receiving.values().max().copied().unwrap_or_default();
        assert!(most <= LIMITS.at_once, "{receiving:?}");
    }

    /// Steps until nothing is left to do.
    fn settle(&mut self) {
        for _round in 0..1_000 {
            if self.step() == 0 {
                return;
            }
        }
        panic!("it never comes to rest: {:#?}", self.map);
    }

    fn held(&self) -> BTreeMap<NodeId, usize> {
        let mut held: BTreeMap<NodeId, usize> =
            self.map.nodes.keys().map(|node| (*node, 0)).collect();
        for shard in self.map.shards.values() {
            assert!(shard.next.is_none() && shard.left.is_empty(), "{shard:?}");
            for node in &shard.replicas {
                *held.get_mut(node).unwrap() += 1;
            }
        }
        held
    }

    fn led(&self) -> BTreeMap<NodeId, usize> {
        let mut led: BTreeMap<NodeId, usize> =
            self.map.nodes.keys().map(|node| (*node, 0)).collect();
        for shard in self.map.shards.values() {
            *led.get_mut(&shard.replicas[0]).unwrap() += 1;
        }
        led
    }

    fn copies_per_shard(&self) -> BTreeSet<usize> {
        let shards = self.map.shards.values();
        shards.map(|shard| shard.replicas.len()).collect()
    }
}

fn spread(counts: impl IntoIterator<Item = usize>) -> usize {
    let counts: Vec<usize> = counts.into_iter().collect();
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// What has to be copied at the least to go from one distribution to another.
fn difference(before: &BTreeMap<NodeId, usize>, after: &BTreeMap<NodeId, usize>) -> usize {
    let gained = |(node, count): (&NodeId, &usize)| {
        count.saturating_sub(before.get(node).copied().unwrap_or_default())
    };
    after.iter().map(gained).sum()
}

#[test]
fn one_node_becomes_three_and_so_do_the_replicas() {
    let mut world = World::new();
    world.join([1]);
    world.create(4, 3);
    world.settle();
    world.join([2]);
    world.settle();
    assert_eq!(world.copies, 2, "two of the four single replicas move over");
    world.join([3]);
    world.settle();
    assert_eq!(world.copies_per_shard(), BTreeSet::from([3]));
    assert_eq!(spread(world.led().into_values()), 1);
}

#[test]
fn a_drained_node_ends_up_empty_and_stays_so() {
    let mut world = World::new();
    world.join(1..=4);
    world.create(6, 3);
    world.settle();
    let share = world.held()[&2];
    world.copies = 0;
    world.drain(2);
    world.settle();
    assert_eq!(world.held()[&2], 0);
    assert_eq!(world.copies, share);
    assert_eq!(world.copies_per_shard(), BTreeSet::from([3]));

    let draining = false;
    world.apply(&PlacementCommand::Drain { node: 2, draining });
    world.settle();
    assert_eq!(spread(world.held().into_values()), 1);
}

#[test]
fn a_drain_below_the_wanted_number_of_replicas_leaves_those_that_are_left() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(2, 3);
    world.settle();
    world.drain(3);
    world.settle();
    assert_eq!(world.copies_per_shard(), BTreeSet::from([2]));
    world.drain(2);
    world.settle();
    assert_eq!(world.held(), BTreeMap::from([(1, 2), (2, 0), (3, 0)]));
}

#[test]
fn a_drain_waits_for_a_node_that_is_away_rather_than_leave_two_replicas() {
    for away in [Duration::from_secs(6), LONG_DEAD] {
        let mut world = World::new();
        world.join(1..=4);
        world.create(1, 3);
        world.settle();
        let (drained, absent) = {
            let replicas = &world.map.shards[&1].replicas;
            let others = world.map.nodes.keys();
            let mut others = others.filter(|node| !replicas.contains(node));
            (replicas[1], *others.next().unwrap())
        };
        world.silent.insert(absent, away);
        world.drain(drained);
        world.settle();
        assert_eq!(world.copies_per_shard(), BTreeSet::from([3]), "{away:?}");
        assert_eq!(world.held()[&drained], 1);

        world.silent.insert(absent, Duration::ZERO);
        world.settle();
        assert_eq!(world.copies_per_shard(), BTreeSet::from([3]));
        assert_eq!(world.held()[&drained], 0);
    }
}

#[test]
fn a_drain_does_not_wait_for_a_node_that_is_to_be_emptied_as_well() {
    let mut world = World::new();
    world.join(1..=4);
    world.create(1, 3);
    world.settle();
    let replicas = world.map.shards[&1].replicas.clone();
    let gone = world.map.nodes.keys().find(|node| !replicas.contains(node));
    let gone = *gone.unwrap();
    world.silent.insert(gone, LONG_DEAD);
    world.drain(gone);
    world.drain(replicas[1]);
    world.settle();
    assert_eq!(world.copies_per_shard(), BTreeSet::from([2]));
    assert_eq!(world.held()[&replicas[1]], 0);
}

#[test]
fn a_damaged_copy_is_made_anew_before_another_node_is_emptied() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(1, 3);
    world.settle();
    world.damaged.insert((1, 2));
    world.drain(3);
    world.step();
    let next = world.map.shards[&1].next.as_ref().unwrap();
    assert_eq!(
        BTreeSet::from_iter(next.replicas.iter()),
        BTreeSet::from([&1, &3])
    );
    world.settle();
    assert_eq!(world.held(), BTreeMap::from([(1, 1), (2, 1), (3, 0)]));
}

#[test]
fn the_last_node_is_never_emptied() {
    let mut world = World::new();
    world.join([1]);
    world.create(2, 3);
    world.drain(1);
    world.settle();
    assert_eq!(world.held()[&1], 2);
}

#[test]
fn a_dead_node_is_replaced_and_its_copies_are_dropped_when_it_returns() {
    let mut world = World::new();
    world.join(1..=4);
    world.create(4, 3);
    world.settle();
    let share = world.held()[&3];
    world.copies = 0;
    world.silent.insert(3, Duration::from_secs(599));
    world.step();
    assert_eq!(world.copies, 0, "it may come back");

    world.silent.insert(3, LONG_DEAD);
    world.settle();
    assert_eq!(world.copies, share);
    let dropping = world.map.shards.values().filter(|s| !s.left.is_empty());
    assert_eq!(dropping.count(), share);

    world.silent.insert(3, Duration::ZERO);
    world.settle();
    assert_eq!(spread(world.held().into_values()), 0);
}

#[test]
fn a_dead_node_without_a_successor_keeps_its_place() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(2, 3);
    world.settle();
    world.silent.insert(2, LONG_DEAD);
    world.settle();
    assert_eq!(world.copies_per_shard(), BTreeSet::from([3]));
    assert_eq!(world.copies, 0);
}

#[test]
fn a_damaged_copy_is_made_anew_where_it_was_if_there_is_no_other_place() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(2, 3);
    world.settle();
    world.damaged.insert((1, 2));
    world.settle();
    assert_eq!(world.copies, 1);
    assert!(world.damaged.is_empty());
    assert_eq!(world.copies_per_shard(), BTreeSet::from([3]));
}

#[test]
fn a_damaged_copy_without_another_is_left_alone() {
    let mut world = World::new();
    world.join([1]);
    world.create(1, 3);
    world.settle();
    world.damaged.insert((1, 1));
    world.join(2..=3);
    world.settle();
    assert_eq!(world.copies, 0);
}

#[test]
fn a_copy_that_does_not_arrive_is_sent_elsewhere() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(1, 3);
    world.settle();
    world.join(4..=5);
    world.silent.insert(3, LONG_DEAD);
    while world.map.shards[&1].next.is_none() {
        world.step();
    }
    let chosen = world.map.shards[&1].wanted().to_vec();
    let chosen = *chosen.iter().find(|node| **node > 3).unwrap();
    world.silent.insert(chosen, Duration::from_secs(31));
    world.settle();
    let shard = &world.map.shards[&1];
    assert!(shard.replicas.len() == 3 && !shard.replicas.contains(&chosen));
    assert!(shard.left.contains_key(&chosen), "it may hold a part of it");
}

#[test]
fn a_move_that_was_given_up_says_why() {
    let mut world = World::new();
    world.join(1..=4);
    world.create(1, 3);
    world.settle();
    world.drain(world.map.shards[&1].replicas[0]);
    world.step();
    let target = world.map.shards[&1].next.as_ref().unwrap();
    assert_eq!(target.reason, MoveReason::Drain);
    let target = *target.replicas.last().unwrap();
    world.silent.insert(target, Duration::from_secs(31));
    world.step();
    let failed = world.map.shards[&1].failed.as_ref().unwrap();
    assert!(failed.reason.contains("31 seconds"), "{failed:?}");
    assert_eq!(failed.nodes, BTreeSet::from([target]));
}

#[test]
fn leadership_is_passed_on_over_a_third_node_if_need_be() {
    let mut world = World::new();
    world.join(1..=3);
    world.create(3, 3);
    world.settle();
    for (id, replicas) in [(1, vec![1, 2]), (2, vec![1, 2]), (3, vec![2, 3])] {
        world.map.shards.get_mut(&id).unwrap().replicas = replicas;
    }
    for (shard, node) in [(1, 1), (2, 1), (3, 2)] {
        world.apply(&PlacementCommand::PreferLeader { shard, node });
    }
    let observed = world.observed();
    let commands = super::leaders::preferences(&world.map, &observed, &BTreeSet::new());
    for command in &commands {
        world.apply(command);
    }
    assert_eq!(spread(world.led().into_values()), 0);
}

/// Something that happens to a cluster.
#[derive(Debug, Clone)]
enum Event {
    Join,
    Die(usize),
    Return(usize),
    Drain(usize, bool),
    Damage(usize, usize),
    Step(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Join),
        1 => (0..8_usize).prop_map(Event::Die),
        1 => (0..8_usize).prop_map(Event::Return),
        1 => ((0..8_usize), any::<bool>()).prop_map(|(node, on)| Event::Drain(node, on)),
        1 => ((0..12_usize), (0..3_usize)).prop_map(|(shard, at)| Event::Damage(shard, at)),
        3 => (1..4_usize).prop_map(Event::Step),
    ]
}

fn happen(world: &mut World, event: &Event) {
    let nodes: Vec<NodeId> = world.map.nodes.keys().copied().collect();
    match event {
        Event::Join if nodes.len() < 8 => world.join([nodes.len() as u64 + 1]),
        Event::Die(which) => {
            // One at a time: what a cluster of three promises to survive.
            let all_live = world.silent.values().all(|silent| silent.is_zero());
            let whole = world.damaged.is_empty();
            if let Some(node) = nodes.get(*which)
                && all_live
                && whole
            {
                world.silent.insert(*node, LONG_DEAD);
            }
        }
        Event::Return(which) => {
            if let Some(node) = nodes.get(*which) {
                world.silent.insert(*node, Duration::ZERO);
            }
        }
        Event::Drain(which, draining) => {
            if let Some(&node) = nodes.get(*which) {
                let draining = *draining;
                world.apply(&PlacementCommand::Drain { node, draining });
            }
        }
        Event::Damage(shard, at) => {
            let all_live = world.silent.values().all(|silent| silent.is_zero());
            let id = *shard as u64 + 1;
            if let Some(shard) = world.map.shards.get(&id)
                && let Some(node) = shard.replicas.get(*at)
                && all_live
                && shard.replicas.len() > 2
                && shard.next.is_none()
                && world.damaged.is_empty()
            {
                world.damaged.insert((id, *node));
            }
        }
        Event::Step(rounds) => (0..*rounds).for_each(|_| {
            world.step();
        }),
        Event::Join => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn joining_nodes_get_an_even_share_and_only_the_difference_moves(
        nodes in 1..6_u64, more in 1..6_u64, shards in 1..24_u32,
    ) {
        let mut world = World::new();
        world.join(1..=nodes);
        world.create(shards, 3);
        world.settle();
        prop_assert_eq!(world.copies, 0, "a new collection is even already");
        let before = world.held();
        world.join(nodes + 1..=nodes + more);
        world.settle();
        let after = world.held();
        prop_assert_eq!(world.copies, difference(&before, &after));
        prop_assert!(spread(after.into_values()) <= 1);
        prop_assert!(spread(world.led().into_values()) <= 1);
    }

    #[test]
    fn whatever_happens_it_comes_to_an_even_rest(
        shards in 1..12_u32, events in prop::collection::vec(event(), 1..40),
    ) {
        let mut world = World::new();
        world.join(1..=3);
        world.create(shards, 3);
        world.settle();
        for event in &events {
            happen(&mut world, event);
        }
        for node in world.map.nodes.keys().copied().collect::<Vec<_>>() {
            world.silent.insert(node, Duration::ZERO);
        }
        world.settle();
        prop_assert!(world.damaged.is_empty());
        let held = world.held();
        let (drained, kept): (Vec<_>, Vec<_>) =
            held.iter().partition(|(node, _)| world.map.nodes[node].draining);
        if kept.is_empty() {
            return Ok(());
        }
        prop_assert!(drained.iter().all(|(_, count)| **count == 0), "{:?}", held);
        prop_assert!(spread(kept.iter().map(|(_, count)| **count)) <= 1, "{:?}", held);
        let copies = if kept.len() >= 3 { 3 } else { kept.len() };
        let fewest = world.copies_per_shard().into_iter().min().unwrap();
        prop_assert!(fewest >= copies.min(1) && (copies < 3 || fewest == 3));
    }
}
