//! How shards split: what is planned, and what the commands change.
//!
//! A split is a fact in the map first (`BeginSplit`), then an entry in the shard's own log, from
//! which position on the lower half is its range and the upper half that of a child, whose group has
//! the same members. Once that group has agreed on something, a majority holds the child's rows, and
//! the child becomes a shard like others (`FinishSplit`). Until then the shard's replicas stay.

use std::collections::BTreeSet;

use super::apply::refused;
use super::observed::PRESENT;
use super::{
    HashRange, Limits, Observed, ObservedShard, PlacementCommand, PlacementMap, PlacementOutcome,
    Shard, Split,
};
use crate::{NodeId, ShardId};

/// The splits to finish and to begin, leaving shards about to move alone. A node takes part in one
/// at a time.
pub(super) fn splits(
    map: &PlacementMap,
    observed: &Observed,
    limits: &Limits,
    moved: &BTreeSet<ShardId>,
) -> Vec<PlacementCommand> {
    let mut commands = Vec::new();
    let mut busy: BTreeSet<NodeId> = BTreeSet::new();
    for (id, shard) in &map.shards {
        let Some(split) = &shard.split else {
            continue;
        };
        busy.extend(&shard.replicas);
        let child = observed.shards.get(&split.child);
        let leader = child.and_then(|child| child.leader);
        if leader.is_some_and(|leader| leader.ready) {
            commands.push(PlacementCommand::FinishSplit {
                shard: *id,
                child: split.child,
            });
        }
    }
    for (id, shard) in &map.shards {
        let Some(seen) = observed.shards.get(id) else {
            continue;
        };
        let is_free = shard.replicas.iter().all(|node| !busy.contains(node));
        if let Some(at) = shard.range().middle()
            && is_free
            && !moved.contains(id)
            && is_settled(shard, seen, observed)
            && has_outgrown(shard, seen, limits)
        {
            busy.extend(&shard.replicas);
            commands.push(PlacementCommand::BeginSplit {
                shard: *id,
                range: shard.range(),
                at,
            });
        }
    }
    commands
}

/// Whether all replicas are where they should be and serve.
fn is_settled(shard: &Shard, seen: &ObservedShard, observed: &Observed) -> bool {
    let serves = |node: &NodeId| {
        let present = observed.nodes.get(node);
        let copy = seen.replicas.get(node);
        present.is_some_and(|node| node.silent < PRESENT)
            && copy.is_some_and(|copy| copy.damaged.is_none())
    };
    shard.founded
        && shard.next.is_none()
        && shard.split.is_none()
        && seen.leader.is_some_and(|leader| leader.settled > 0)
        && shard.replicas.iter().all(serves)
}

/// By what its leader reports, if that is from after the last split.
fn has_outgrown(shard: &Shard, seen: &ObservedShard, limits: &Limits) -> bool {
    let leader = seen.leader.map(|leader| leader.node);
    let copy = leader.and_then(|leader| seen.replicas.get(&leader));
    copy.is_some_and(|copy| copy.splits == shard.splits && copy.rows > limits.split_at)
}

impl PlacementMap {
    pub(super) fn begin_split(
        &mut self,
        id: ShardId,
        range: HashRange,
        at: u64,
    ) -> PlacementOutcome {
        let Some(shard) = self.shards.get_mut(&id) else {
            return refused(format!("there is no shard {id}"));
        };
        let is_as_expected = shard.founded
            && shard.next.is_none()
            && shard.split.is_none()
            && shard.range() == range
            && range.below(at).is_some()
            && range.contains(at);
        if !is_as_expected {
            return refused(format!(
                "shard {id}: its range or its replicas have changed, or are about to"
            ));
        }
        self.last_shard += 1;
        self.version += 1;
        shard.split = Some(Split {
            child: self.last_shard,
            at,
            since: self.version,
        });
        PlacementOutcome::Done
    }

    pub(super) fn finish_split(&mut self, id: ShardId, child: ShardId) -> PlacementOutcome {
        let Some(shard) = self.shards.get_mut(&id) else {
            return refused(format!("there is no shard {id}"));
        };
        let Some((made, split)) = shard.child(id).zip(shard.split.as_ref()) else {
            return PlacementOutcome::Done;
        };
        if split.child != child {
            return PlacementOutcome::Done;
        }
        shard.last = split.at - 1;
        shard.splits += 1;
        shard.split = None;
        if let Some(collection) = self.collections.get_mut(&made.collection) {
            let parent = collection.shards.iter().position(|shard| *shard == id);
            let after = parent.map_or(collection.shards.len(), |parent| parent + 1);
            collection.shards.insert(after, child);
        }
        self.shards.insert(child, made);
        self.version += 1;
        PlacementOutcome::Done
    }

    /// The shards that splits under way make, as they will be in the map once finished.
    pub fn unfinished_children(&self) -> impl Iterator<Item = (ShardId, Shard)> {
        self.shards.iter().filter_map(|(id, shard)| {
            let split = shard.split.as_ref()?;
            Some((split.child, shard.child(*id)?))
        })
    }
}

impl Shard {
    /// Its hashes.
    pub fn range(&self) -> HashRange {
        HashRange {
            first: self.first,
            last: self.last,
        }
    }

    /// What the split under way makes of the upper part of this shard, whose id is given.
    fn child(&self, id: ShardId) -> Option<Self> {
        let split = self.split.as_ref()?;
        Some(Self {
            founded: true,
            parent: Some(id),
            ..Self::new(&self.collection, split.at, self.last, self.replicas.clone())
        })
    }
}
