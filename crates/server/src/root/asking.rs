//! Which replica of each shard is asked first, so that a search needs few nodes.

use std::cmp::Reverse;
use std::collections::HashMap;

use vectra_cluster::placement::{PlacementMap, Shard};
use vectra_cluster::{NodeId, ShardId};

/// So many nodes are tried as the first, where it does not matter which one is.
const TRIED: usize = 8;

/// In which order nodes are asked, and how many of them it takes to have all shards.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Asking {
    order: Vec<NodeId>,
    needed: usize,
}

/// How a replica stands, those first that are asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Stays,
    /// Its group may go on without it at any moment, and tells it nothing any more then.
    Leaves,
    /// It is on its way to having all rows.
    Comes,
}

impl Asking {
    /// The nodes of `order` anew, so that few of them are needed for all `shards`. The first one stays the first, if any of
    /// the shards is to stay there: it has the least to do. Where nodes share their cores all have as much to do, and that one
    /// is the first with which the fewest are needed.
    pub(super) fn of_few<'a>(
        order: Vec<NodeId>,
        shards: impl Iterator<Item = &'a Shard>,
        share_cores: bool,
    ) -> Self {
        let holders: Vec<Vec<NodeId>> = shards
            .map(|shard| {
                let stays = |node: &&NodeId| Standing::of(**node, shard) == Standing::Stays;
                shard.replicas.iter().filter(stays).copied().collect()
            })
            .collect();
        let first = Self::beginning_with_the_first(order.clone(), &holders);
        if !share_cores || first.needed <= 1 {
            return first;
        }
        let beginning_with = |place: usize| {
            let mut order = order.clone();
            order[..=place].rotate_right(1);
            Self::beginning_with_the_first(order, &holders)
        };
        let others = (1..order.len().min(TRIED)).map(beginning_with);
        others.fold(first, |best, other| {
            if other.needed < best.needed {
                other
            } else {
                best
            }
        })
    }

    /// After the first, each time the node follows that holds the most of what is left, of several the earlier one. `holders`
    /// are the nodes of each shard.
    fn beginning_with_the_first(mut order: Vec<NodeId>, holders: &[Vec<NodeId>]) -> Self {
        let mut left = HashMap::<NodeId, usize>::new();
        for node in holders.iter().flatten() {
            *left.entry(*node).or_default() += 1;
        }
        let mut holders: Vec<&Vec<NodeId>> = holders.iter().collect();
        let mut needed = 0;
        while !holders.is_empty() {
            let held = |node: &NodeId| left.get(node).copied().unwrap_or_default();
            let mut rest = order.iter().enumerate().skip(needed);
            let next = if needed == 0 {
                rest.find(|(_, node)| held(node) > 0)
            } else {
                rest.max_by_key(|(place, node)| (held(node), Reverse(*place)))
            };
            let Some((place, &node)) = next.filter(|(_, node)| held(node) > 0) else {
                break;
            };
            order[needed..=place].rotate_right(1);
            needed += 1;
            let covered = holders.extract_if(.., |holders| holders.contains(&node));
            for other in covered.flatten() {
                left.entry(*other).and_modify(|held| *held -= 1);
            }
        }
        Self { order, needed }
    }

    /// Puts those replicas of a shard first that are to be asked first. All shards begin with the same few nodes, and go on
    /// to the same next one. Of those few the shard's leader comes first: it need not ask anybody.
    pub(super) fn sort(
        &self,
        replicas: &mut [NodeId],
        placed: Option<&Shard>,
        leader: Option<NodeId>,
    ) {
        replicas.sort_by_key(|node| {
            let standing = placed.map(|placed| Standing::of(*node, placed));
            let place = self.order.iter().position(|next| next == node);
            let place = place.unwrap_or(usize::MAX);
            let leads = place < self.needed && leader == Some(*node);
            (standing, !leads, place)
        });
    }
}

impl Standing {
    fn of(node: NodeId, placed: &Shard) -> Self {
        let leaving = placed.next.as_ref().map(|next| &next.leaving);
        if !placed.replicas.contains(&node) {
            Self::Comes
        } else if leaving.is_some_and(|leaving| leaving.contains(&node)) {
            Self::Leaves
        } else {
            Self::Stays
        }
    }
}

/// The nodes that may answer for a shard: those that hold it, and then, as long as it is on its way
/// to others, those. None if the map does not know it.
pub(super) fn replicas_of(map: &PlacementMap, shard: ShardId) -> Vec<NodeId> {
    let Some(placed) = map.shards.get(&shard) else {
        let mut children = map.unfinished_children();
        let child = children.find(|(child, _)| *child == shard);
        return child.map_or_else(Vec::new, |(_, child)| child.replicas);
    };
    let mut replicas = placed.replicas.clone();
    let coming = placed.hosts();
    replicas.extend(coming.iter().filter(|node| !placed.replicas.contains(node)));
    replicas
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vectra_cluster::placement::{Move, MoveReason};

    use super::*;

    fn shard(replicas: &[NodeId]) -> Shard {
        Shard::new("c", 0, 9, replicas.to_vec())
    }

    fn asking(order: &[NodeId], needed: usize) -> Asking {
        let order = order.to_vec();
        Asking { order, needed }
    }

    fn of_few(order: &[NodeId], shards: &[Shard], share_cores: bool) -> Asking {
        Asking::of_few(order.to_vec(), shards.iter(), share_cores)
    }

    #[test]
    fn after_the_first_come_those_that_hold_the_most_of_what_is_left() {
        let shards = [&[1, 2, 3][..], &[1, 2, 6], &[4, 5], &[3, 5], &[4, 6]].map(shard);
        let few = |order: &[NodeId]| of_few(order, &shards, false);
        assert_eq!(few(&[1, 2, 3, 4, 5, 6]), asking(&[1, 4, 3, 2, 5, 6], 3));
        assert_eq!(few(&[5, 2, 3, 4, 1, 6]), asking(&[5, 2, 4, 3, 1, 6], 3));
        assert_eq!(
            few(&[7, 3, 5]),
            asking(&[3, 5, 7], 2),
            "the rest is nowhere"
        );
        assert_eq!(of_few(&[2, 1], &[], false), asking(&[2, 1], 0));
    }

    #[test]
    fn where_nodes_share_their_cores_the_first_is_one_with_which_few_are_needed() {
        let shards = [&[1, 2][..], &[1, 3], &[2, 4], &[2, 3]].map(shard);
        assert_eq!(of_few(&[4, 1, 2, 3], &shards, false).needed, 3);
        assert_eq!(
            of_few(&[4, 1, 2, 3], &shards, true),
            asking(&[1, 2, 4, 3], 2)
        );
        assert_eq!(of_few(&[], &shards, true), asking(&[], 0));
    }

    #[test]
    fn a_replica_that_may_be_left_behind_is_asked_after_those_that_stay_and_a_new_one_last() {
        let mut moving = shard(&[1, 2, 3]);
        moving.next = Some(Move {
            replicas: vec![4, 2, 3],
            leaving: BTreeSet::from([1]),
            reason: MoveReason::Spread,
            since: 1,
        });
        let few = of_few(&[1, 2, 3, 4], &[shard(&[1, 2, 3]), moving.clone()], false);
        assert_eq!(few, asking(&[1, 2, 3, 4], 2));
        let mut replicas = [4, 1, 2, 3];
        few.sort(&mut replicas, Some(&moving), Some(1));
        assert_eq!(replicas, [2, 3, 1, 4]);
    }

    #[test]
    fn of_the_nodes_that_are_needed_the_leader_is_asked() {
        let shards = [shard(&[1, 2]), shard(&[1, 3]), shard(&[2, 3])];
        let few = of_few(&[1, 2, 3], &shards, false);
        let first = |shard: &Shard, leader| {
            let mut replicas = shard.replicas.clone();
            few.sort(&mut replicas, Some(shard), Some(leader));
            replicas[0]
        };
        assert_eq!(first(&shards[0], 1), 1);
        assert_eq!(first(&shards[0], 2), 2);
        assert_eq!(first(&shards[1], 3), 1, "the third is not needed");
    }
}
