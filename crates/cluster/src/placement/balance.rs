//! What to move next.
//!
//! Pure: the map and what was seen of the cluster go in, commands come out. Asked again and again,
//! it brings every shard to its wanted number of replicas, on nodes that live and are not being
//! drained, and the nodes' shares within one replica of each other; it moves no more than that
//! takes. Nothing depends on a plan being kept: the next one starts from the map as it is then.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::PRESENT;
use super::progress::progress;
use super::splits::splits;
use super::{Limits, MoveReason, Observed, PlacementCommand, PlacementMap, Shard, leaders};
use crate::{NodeId, ShardId};

impl PlacementMap {
    /// The commands that should be proposed now.
    pub fn plan(&self, observed: &Observed, limits: &Limits) -> Vec<PlacementCommand> {
        let mut commands = Vec::new();
        for (id, shard) in &self.shards {
            if let Some(seen) = observed.shards.get(id) {
                commands.extend(progress(*id, shard, seen, observed));
            }
        }
        let mut plan = Plan::new(self, observed, limits);
        plan.restore_replicas();
        if !plan.is_waiting {
            plan.spread();
        }
        let moved = plan.moved();
        commands.extend(plan.commands);
        commands.extend(splits(self, observed, limits, &moved));
        commands.extend(leaders::preferences(self, observed, &moved));
        commands
    }
}

/// As many replicas agree on something when one of them is lost.
const SURVIVES_A_LOSS: usize = 3;

/// A plan in the making.
struct Plan<'a> {
    map: &'a PlacementMap,
    observed: &'a Observed,
    limits: &'a Limits,
    /// Replicas of each node, as they will be when all moves are finished.
    held: BTreeMap<NodeId, usize>,
    /// Copies on their way to each node.
    receiving: BTreeMap<NodeId, usize>,
    /// Copies on their way from each leader.
    sending: BTreeMap<NodeId, usize>,
    commands: Vec<PlacementCommand>,
    /// A shard waits for its turn to get a replica: a plan to spread could be overtaken by that.
    is_waiting: bool,
}

/// Where further replicas can go.
enum Choice {
    Nodes(Vec<NodeId>),
    /// The right nodes have enough to do.
    Later,
    /// Not so many nodes are there, only these.
    TooFew(Vec<NodeId>),
}

impl<'a> Plan<'a> {
    fn new(map: &'a PlacementMap, observed: &'a Observed, limits: &'a Limits) -> Self {
        let mut plan = Self {
            map,
            observed,
            limits,
            held: map.nodes.keys().map(|node| (*node, 0)).collect(),
            receiving: BTreeMap::new(),
            sending: BTreeMap::new(),
            commands: Vec::new(),
            is_waiting: false,
        };
        for (id, shard) in &map.shards {
            for node in shard.wanted() {
                *plan.held.entry(*node).or_default() += 1;
            }
            if let Some(next) = &shard.next {
                plan.note_transfer(*id, shard, &next.replicas);
            }
        }
        plan
    }

    /// Counts the copies that a move sends to nodes that have none.
    fn note_transfer(&mut self, id: ShardId, shard: &Shard, to: &[NodeId]) {
        let added = to.iter().filter(|node| !shard.replicas.contains(node));
        let leader = self.leader(id).or(shard.replicas.first().copied());
        for node in added {
            *self.receiving.entry(*node).or_default() += 1;
            if let Some(leader) = leader {
                *self.sending.entry(leader).or_default() += 1;
            }
        }
    }

    fn leader(&self, shard: ShardId) -> Option<NodeId> {
        let seen = self.observed.shards.get(&shard)?;
        seen.leader.map(|leader| leader.node)
    }

    /// Takes up a move.
    fn begin(&mut self, id: ShardId, shard: &Shard, to: Vec<NodeId>, reason: MoveReason) {
        for node in &shard.replicas {
            if let Some(held) = self.held.get_mut(node) {
                *held -= 1;
            }
        }
        for node in &to {
            *self.held.entry(*node).or_default() += 1;
        }
        self.note_transfer(id, shard, &to);
        self.commands.push(PlacementCommand::BeginMove {
            shard: id,
            from: shard.replicas.clone(),
            to,
            reason,
        });
    }

    fn moved(&self) -> BTreeSet<ShardId> {
        let shard_of = |command: &PlacementCommand| match command {
            PlacementCommand::BeginMove { shard, .. } => Some(*shard),
            _ => None,
        };
        self.commands.iter().filter_map(shard_of).collect()
    }

    /// Replaces what is lost, damaged or being drained, and raises what has too few replicas.
    fn restore_replicas(&mut self) {
        let map = self.map;
        for (id, shard) in &map.shards {
            if !self.may_move(*id, shard) {
                continue;
            }
            // A dead node that nothing can take the place of keeps it, and may come back; so does one that
            // is to be emptied, and serves on.
            let kept: [&[MoveReason]; 3] = [
                &[],
                &[MoveReason::Dead],
                &[MoveReason::Dead, MoveReason::Drain],
            ];
            for kept in kept {
                let mut bad = self.bad_replicas(*id, shard);
                bad.retain(|_, reason| !kept.contains(reason));
                if let Some((to, reason)) = self.restored(*id, shard, &bad) {
                    self.begin(*id, shard, to, reason);
                    break;
                }
            }
        }
    }

    /// The replicas a shard should have instead of those that are bad, and of too few.
    fn restored(
        &mut self,
        id: ShardId,
        shard: &Shard,
        bad: &BTreeMap<NodeId, MoveReason>,
    ) -> Option<(Vec<NodeId>, MoveReason)> {
        let good = shard.replicas.iter().copied();
        let good: Vec<NodeId> = good.filter(|node| !bad.contains_key(node)).collect();
        // Never fewer than there are, if only the nodes suffice.
        let wanted = self.wanted_replicas(shard).max(shard.replicas.len());
        let reason = bad.values().copied().next();
        if reason.is_none() && good.len() >= wanted {
            return None;
        }
        let (added, is_enough) = match self.choose(id, shard, wanted - good.len()) {
            Choice::Nodes(added) => (added, true),
            Choice::TooFew(added) => (added, false),
            Choice::Later => {
                self.is_waiting = true;
                return None;
            }
        };
        let is_sound = good.iter().all(|node| self.serves(id, *node));
        let to: Vec<NodeId> = good.into_iter().chain(added).collect();
        // A damaged copy is of no use, and without it its node can be given a sound one.
        let may_shrink = is_sound
            && reason.is_some()
            && bad.values().all(|reason| match reason {
                MoveReason::Dead => false,
                MoveReason::Drain => self.may_be_left_with(&to),
                _ => true,
            });
        let may_begin = !to.is_empty() && (is_enough || may_shrink);
        may_begin.then(|| (to, reason.unwrap_or(MoveReason::Raise)))
    }

    /// Whether a node may be emptied though only these replicas are left, which are fewer than there should
    /// be: where they still survive the loss of one, or where there is no other node, be it away, damaged or
    /// taken for dead, that could come back and take the place. Two that are left alone agree on nothing any
    /// more once one of them is lost, and no third could be made a member then.
    fn may_be_left_with(&self, to: &[NodeId]) -> bool {
        let mut others = self.map.nodes.iter();
        to.len() >= SURVIVES_A_LOSS
            || others.all(|(node, placed)| placed.draining || to.contains(node))
    }

    /// Whether the shard stands still and its group can agree on a change of its members.
    fn may_move(&self, id: ShardId, shard: &Shard) -> bool {
        let serving = shard
            .replicas
            .iter()
            .filter(|node| self.serves(id, **node))
            .count();
        shard.founded
            && shard.next.is_none()
            && shard.split.is_none()
            && self.leader(id).is_some()
            && serving > shard.replicas.len() / 2
    }

    /// The replicas that should be elsewhere.
    fn bad_replicas(&self, id: ShardId, shard: &Shard) -> BTreeMap<NodeId, MoveReason> {
        let reason = |node: &NodeId| {
            let silent = self.observed.nodes.get(node).map(|node| node.silent);
            let placed = self.map.nodes.get(node);
            if placed.is_none() || silent.is_some_and(|silent| silent >= self.limits.dead_after) {
                return Some(MoveReason::Dead);
            }
            if self.is_damaged(id, *node) {
                return Some(MoveReason::Damaged);
            }
            let draining = placed.is_some_and(|placed| placed.draining);
            draining.then_some(MoveReason::Drain)
        };
        let replicas = shard.replicas.iter();
        replicas
            .filter_map(|node| reason(node).map(|reason| (*node, reason)))
            .collect()
    }

    /// As many as the collection wants, as far as there are nodes for them: an odd number, for an
    /// even one agrees on nothing that one fewer would not agree on.
    fn wanted_replicas(&self, shard: &Shard) -> usize {
        let collection = self.map.collections.get(&shard.collection);
        let wanted = collection.map_or(1, |collection| collection.replicas as usize);
        let is_usable = |node: &NodeId| {
            let silent = self.observed.nodes.get(node).map(|node| node.silent);
            silent.is_some_and(|silent| silent < self.limits.dead_after)
        };
        let nodes = self.map.nodes.iter();
        let usable = nodes.filter(|(node, placed)| !placed.draining && is_usable(node));
        largest_odd(wanted.min(usable.count()))
    }

    /// The `count` nodes that should get a replica of a shard next: those that hold the fewest.
    fn choose(&self, id: ShardId, shard: &Shard, count: usize) -> Choice {
        let hosts = shard.hosts();
        let mut candidates: Vec<NodeId> = self
            .map
            .nodes
            .keys()
            .copied()
            .filter(|node| !hosts.contains(node) && self.may_receive(*node))
            .collect();
        candidates.sort_by_key(|node| (has_failed(shard, *node), self.held(*node), *node));
        candidates.truncate(count);
        // A node that is about to drop its former copy is waited for.
        let still_leaving = candidates.iter().any(|node| shard.left.contains_key(node));
        let source = self.leader(id);
        let is_busy = candidates.iter().any(|node| self.is_busy(*node, source));
        if still_leaving || is_busy {
            return Choice::Later;
        }
        if candidates.len() < count {
            return Choice::TooFew(candidates);
        }
        Choice::Nodes(candidates)
    }

    /// Moves replicas from the nodes that hold the most to those that hold the fewest.
    fn spread(&mut self) {
        let map = self.map;
        let mut settled: BTreeMap<ShardId, &Shard> = map
            .shards
            .iter()
            .filter(|(id, shard)| self.may_move(**id, shard))
            .map(|(id, shard)| (*id, shard))
            .collect();
        for id in self.moved() {
            settled.remove(&id);
        }
        let nodes: Vec<NodeId> = map
            .nodes
            .keys()
            .copied()
            .filter(|node| self.may_receive(*node))
            .collect();
        loop {
            let mut by_load = nodes.clone();
            by_load.sort_by_key(|node| (self.held(*node), *node));
            let (Some(&fewest), Some(&most)) = (by_load.first(), by_load.last()) else {
                return;
            };
            if self.held(most) < self.held(fewest) + 2 {
                return;
            }
            // Rather one that the node does not lead, and a small one.
            let movable = settled.iter().filter(|(id, shard)| {
                shard.replicas.contains(&most)
                    && !shard.hosts().contains(&fewest)
                    && !shard.left.contains_key(&fewest)
                    && !has_failed(shard, fewest)
                    && !self.is_busy(fewest, self.leader(**id))
            });
            let best = movable.min_by_key(|(id, shard)| {
                let leads = shard.replicas.first() == Some(&most);
                (leads, self.bytes(**id, most), **id)
            });
            let Some((&id, &shard)) = best else {
                return;
            };
            let replaced = |node: &NodeId| if *node == most { fewest } else { *node };
            let to = shard.replicas.iter().map(replaced).collect();
            self.begin(id, shard, to, MoveReason::Spread);
            settled.remove(&id);
        }
    }

    fn held(&self, node: NodeId) -> usize {
        self.held.get(&node).copied().unwrap_or_default()
    }

    fn bytes(&self, shard: ShardId, node: NodeId) -> u64 {
        let seen = self.observed.shards.get(&shard);
        let copy = seen.and_then(|seen| seen.replicas.get(&node));
        copy.map_or(0, |copy| copy.bytes)
    }

    fn is_busy(&self, node: NodeId, source: Option<NodeId>) -> bool {
        let count = |of: &BTreeMap<NodeId, usize>, node| of.get(&node).copied().unwrap_or_default();
        count(&self.receiving, node) >= self.limits.at_once
            || source.is_some_and(|source| count(&self.sending, source) >= self.limits.at_once)
    }

    fn is_present(&self, node: NodeId) -> bool {
        let seen = self.observed.nodes.get(&node);
        seen.is_some_and(|seen| seen.silent < PRESENT)
    }

    fn may_receive(&self, node: NodeId) -> bool {
        let placed = self.map.nodes.get(&node);
        placed.is_some_and(|placed| !placed.draining) && self.is_present(node)
    }

    fn is_damaged(&self, shard: ShardId, node: NodeId) -> bool {
        let seen = self.observed.shards.get(&shard);
        let copy = seen.and_then(|seen| seen.replicas.get(&node));
        copy.is_some_and(|copy| copy.damaged.is_some())
    }

    /// Whether a node takes part in a shard's group.
    fn serves(&self, shard: ShardId, node: NodeId) -> bool {
        self.is_present(node) && !self.is_damaged(shard, node)
    }
}

fn has_failed(shard: &Shard, node: NodeId) -> bool {
    let failed = shard.failed.as_ref();
    failed.is_some_and(|failed| failed.nodes.contains(&node))
}

pub(super) fn largest_odd(at_most: usize) -> usize {
    at_most.saturating_sub(usize::from(at_most.is_multiple_of(2)))
}
