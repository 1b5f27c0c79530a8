//! What is asked of a shard, and what becomes of that when it has split.

use vectra_cluster::ShardId;
use vectra_cluster::placement::{Child, HashRange, Shard};
use vectra_wire::v1;

use crate::leaf::Asked;

/// A part of a shard's range that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) shard: ShardId,
    pub(super) range: HashRange,
    /// How often the shard has split, as far as known.
    pub(super) splits: u32,
}

impl Target {
    /// All of a shard, as the map has it.
    pub(super) fn all_of(id: ShardId, shard: &Shard) -> Self {
        Self {
            shard: id,
            range: shard.range(),
            splits: shard.splits,
        }
    }

    pub(super) fn asked(&self) -> Asked {
        Asked {
            shard: self.shard,
            splits: Some(self.splits),
        }
    }

    /// What is left of it once `children`, of which it did not tell yet, have split off, if anything.
    /// A child always takes the upper part of what its parent had.
    pub(super) fn without(self, children: &[Child]) -> Option<Self> {
        let mut range = self.range;
        for child in children {
            range = range.below(child.range.first)?;
        }
        let more = u32::try_from(children.len()).unwrap_or(u32::MAX);
        let splits = self.splits.saturating_add(more);
        Some(Self {
            range,
            splits,
            ..self
        })
    }

    /// The part of it that a child has, if any.
    pub(super) fn part_of(&self, child: &Child) -> Option<Self> {
        Some(Self {
            shard: child.shard,
            range: self.range.meet(child.range)?,
            splits: 0,
        })
    }
}

/// The children as they come over the wire.
pub(super) fn children_of(message: &v1::Children) -> Vec<Child> {
    let child = |child: &v1::Child| Child {
        shard: child.shard,
        range: HashRange {
            first: child.first,
            last: child.last,
        },
    };
    message.children.iter().map(child).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(first: u64, last: u64) -> Target {
        Target {
            shard: 1,
            range: HashRange { first, last },
            splits: 2,
        }
    }

    fn child(shard: ShardId, first: u64, last: u64) -> Child {
        let range = HashRange { first, last };
        Child { shard, range }
    }

    #[test]
    fn what_a_shard_no_longer_has_its_children_have() {
        let children = [child(8, 50, 99), child(9, 25, 49)];
        let whole = target(0, 99);
        let left = whole.without(&children);
        let expected = Target {
            splits: 4,
            ..target(0, 24)
        };
        assert_eq!(left, Some(expected));
        let parts = children.map(|child| whole.part_of(&child).map(|part| part.range));
        let range = |first, last| Some(HashRange { first, last });
        assert_eq!(parts, [range(50, 99), range(25, 49)]);
    }

    #[test]
    fn one_hash_is_in_one_of_them() {
        let children = [child(8, 50, 99), child(9, 25, 49)];
        for (hash, holder) in [(24, 1), (25, 9), (49, 9), (50, 8), (99, 8)] {
            let one = target(hash, hash);
            let left = one.without(&children).into_iter();
            let parts = children.iter().filter_map(|child| one.part_of(child));
            let holders: Vec<ShardId> = left.chain(parts).map(|target| target.shard).collect();
            assert_eq!(holders, [holder], "{hash}");
        }
    }
}
