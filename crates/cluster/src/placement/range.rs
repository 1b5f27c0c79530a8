//! Ranges of hashes.

use serde::{Deserialize, Serialize};

use crate::ShardId;

/// Neighbouring hashes: the first, the last, and all between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRange {
    /// The lowest.
    pub first: u64,
    /// The highest, part of it.
    pub last: u64,
}

/// A shard that another one gave a part of its range to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its id.
    pub shard: ShardId,
    /// The range that it began with.
    pub range: HashRange,
}

impl HashRange {
    /// Whether `hash` is one of them.
    pub fn contains(self, hash: u64) -> bool {
        (self.first..=self.last).contains(&hash)
    }

    /// The hashes that are in both.
    pub fn meet(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        (first <= last).then_some(Self { first, last })
    }

    /// The hashes below `hash`.
    pub fn below(self, hash: u64) -> Option<Self> {
        let last = hash.checked_sub(1)?;
        self.meet(Self { first: 0, last })
    }

    /// Where the upper half begins; `None` if there is only one hash.
    pub fn middle(self) -> Option<u64> {
        let half = (self.last - self.first) / 2;
        (self.first < self.last).then(|| self.first + half + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> HashRange {
        HashRange { first, last }
    }

    #[test]
    fn a_range_and_its_upper_half_leave_nothing_out() {
        for whole in [
            range(0, 1),
            range(7, 9),
            range(0, u64::MAX),
            range(3, 1_000),
        ] {
            let middle = whole.middle().unwrap_or_default();
            let upper = range(middle, whole.last);
            let lower = whole.below(middle).unwrap_or(upper);
            assert_eq!((lower.first, upper.last), (whole.first, whole.last));
            assert_eq!(lower.last + 1, upper.first);
            assert_eq!(lower.meet(upper), None);
        }
        assert_eq!(range(5, 5).middle(), None);
    }

    #[test]
    fn only_what_both_have_is_met() {
        assert_eq!(range(2, 8).meet(range(5, 9)), Some(range(5, 8)));
        assert_eq!(range(2, 8).meet(range(8, 9)), Some(range(8, 8)));
        assert_eq!(range(2, 8).meet(range(9, 9)), None);
        assert_eq!(range(2, 8).below(2), None);
        assert_eq!(range(0, 8).below(0), None);
        assert!(range(2, 8).contains(8) && !range(2, 8).contains(1));
    }
}
