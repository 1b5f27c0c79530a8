//! Which replica of each shard should lead it.
//!
//! Leaders do more than followers: they answer reads and order writes. So each node should lead as
//! many shards as any other, within one where the replicas allow it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::observed::LEADERSHIP;
use super::{Observed, PlacementCommand, PlacementMap, Shard};
use crate::{NodeId, ShardId};

/// The preferences that should change, leaving shards that move or split alone.
pub(super) fn preferences(
    map: &PlacementMap,
    observed: &Observed,
    moved: &BTreeSet<ShardId>,
) -> Vec<PlacementCommand> {
    let may_lead = |shard: ShardId, node: NodeId| {
        let seen = observed.nodes.get(&node);
        let copy = observed.shards.get(&shard);
        let copy = copy.and_then(|seen| seen.replicas.get(&node));
        seen.is_some_and(|seen| seen.silent < LEADERSHIP)
            && map.nodes.get(&node).is_some_and(|placed| !placed.draining)
            && copy.is_none_or(|copy| copy.damaged.is_none())
    };
    let is_settled = |id: &ShardId, shard: &Shard| {
        shard.founded && shard.next.is_none() && shard.split.is_none() && !moved.contains(id)
    };

    let mut leads = Leads::default();
    let mut leaderless = Vec::new();
    for (id, shard) in &map.shards {
        let fit = shard.wanted().iter().copied();
        let fit: Vec<NodeId> = fit.filter(|node| may_lead(*id, *node)).collect();
        fit.iter().for_each(|node| {
            leads.count.entry(*node).or_default();
        });
        let Some(&first) = shard.wanted().first() else {
            continue;
        };
        if fit.contains(&first) || !is_settled(id, shard) {
            leads.give(*id, first);
        } else {
            leaderless.push(*id);
        }
        if is_settled(id, shard) {
            leads.fit.insert(*id, fit);
        }
    }
    for id in leaderless {
        let fit = leads.fit.get(&id);
        let least = fit.and_then(|fit| fit.iter().min_by_key(|node| leads.count(**node)).copied());
        if let Some(least) = least {
            leads.give(id, least);
        }
    }
    while leads.even_out() {}

    let changed = leads.of.iter().filter(|(id, node)| {
        let shard = map.shards.get(id);
        shard.is_some_and(|shard| is_settled(id, shard) && shard.replicas.first() != Some(node))
    });
    changed
        .map(|(shard, node)| PlacementCommand::PreferLeader {
            shard: *shard,
            node: *node,
        })
        .collect()
}

/// Who leads what.
#[derive(Default)]
struct Leads {
    of: BTreeMap<ShardId, NodeId>,
    count: BTreeMap<NodeId, usize>,
    /// The nodes that may lead a shard whose leader may change.
    fit: BTreeMap<ShardId, Vec<NodeId>>,
}

impl Leads {
    fn count(&self, node: NodeId) -> usize {
        self.count.get(&node).copied().unwrap_or_default()
    }

    fn give(&mut self, shard: ShardId, node: NodeId) {
        if let Some(before) = self.of.insert(shard, node)
            && let Some(count) = self.count.get_mut(&before)
        {
            *count -= 1;
        }
        *self.count.entry(node).or_default() += 1;
    }

    /// Takes one shard from a node that leads two more than another which it can be passed on to,
    /// over further nodes if need be. Whether there was one.
    fn even_out(&mut self) -> bool {
        let mut by_count: Vec<NodeId> = self.count.keys().copied().collect();
        by_count.sort_by_key(|node| std::cmp::Reverse((self.count(*node), *node)));
        by_count.into_iter().any(|from| self.relieve(from))
    }

    fn relieve(&mut self, from: NodeId) -> bool {
        let enough = self.count(from);
        // Breadth first: how each node is reached, by which shard and from which node.
        let mut reached: BTreeMap<NodeId, (ShardId, NodeId)> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if self.count(node) + 2 <= enough {
                self.pass_on(node, from, &reached);
                return true;
            }
            let led = self.of.iter().filter(|(_, leader)| **leader == node);
            for (shard, _) in led {
                for next in self.fit.get(shard).into_iter().flatten() {
                    if *next != from && !reached.contains_key(next) {
                        reached.insert(*next, (*shard, node));
                        queue.push_back(*next);
                    }
                }
            }
        }
        false
    }

    fn pass_on(
        &mut self,
        mut to: NodeId,
        from: NodeId,
        reached: &BTreeMap<NodeId, (ShardId, NodeId)>,
    ) {
        while to != from
            && let Some(&(shard, before)) = reached.get(&to)
        {
            self.give(shard, to);
            to = before;
        }
    }
}
