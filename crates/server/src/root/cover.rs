//! Answers of several leaves that together tell of each hash once.

use std::collections::BTreeMap;

use vectra_cluster::placement::HashRange;

/// Answers, none of which tells of a hash that another one tells of: two replicas of a shard may
/// answer as of different moments, one of them even from before a split, and a search must not see
/// two versions of a row.
pub(super) struct Cover<T> {
    parts: Vec<(Vec<HashRange>, T)>,
    told: Told,
}

/// Hashes that are told of, as the first and the last of each stretch; no two of them touch.
#[derive(Default)]
struct Told(BTreeMap<u64, u64>);

impl<T> Cover<T> {
    /// Takes an answer about these ranges, none of which meets another, in place of those that tell of
    /// some of them, and of nothing else. An answer cannot be divided, so it is left out if one of
    /// those tells of more; and so it is if it tells nothing new.
    pub(super) fn offer(&mut self, ranges: Vec<HashRange>, answer: T) {
        if ranges.iter().all(|range| self.told.has(*range)) {
            return;
        }
        let meets_others = ranges.iter().any(|range| self.told.meets(*range));
        if meets_others {
            let offered = Told::of(&ranges);
            let meets = |part: &[HashRange]| part.iter().any(|range| offered.meets(*range));
            let is_within = |part: &[HashRange]| part.iter().all(|range| offered.has(*range));
            let mut parts = self.parts.iter();
            if parts.any(|(part, _)| meets(part) && !is_within(part)) {
                return;
            }
            self.parts.retain(|(part, _)| !meets(part));
        }
        ranges.iter().for_each(|range| self.told.add(*range));
        self.parts.push((ranges, answer));
    }

    /// Whether the answers tell of all of `range`.
    pub(super) fn has(&self, range: HashRange) -> bool {
        self.told.has(range)
    }

    pub(super) fn into_answers(self) -> impl Iterator<Item = T> {
        self.parts.into_iter().map(|(_, answer)| answer)
    }
}

impl<T> Default for Cover<T> {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            told: Told::default(),
        }
    }
}

impl Told {
    fn of(ranges: &[HashRange]) -> Self {
        let mut told = Self::default();
        ranges.iter().for_each(|range| told.add(*range));
        told
    }

    fn add(&mut self, range: HashRange) {
        let HashRange {
            mut first,
            mut last,
        } = range;
        // Together with the stretches that it meets or touches.
        while let Some((before, end)) = self.last_up_to(last.saturating_add(1))
            && end.saturating_add(1) >= first
        {
            self.0.remove(&before);
            first = first.min(before);
            last = last.max(end);
        }
        self.0.insert(first, last);
    }

    /// Whether every hash of `range` is told of.
    fn has(&self, range: HashRange) -> bool {
        let stretch = self.last_up_to(range.first);
        stretch.is_some_and(|(_, end)| end >= range.last)
    }

    /// Whether any hash of `range` is told of.
    fn meets(&self, range: HashRange) -> bool {
        let stretch = self.last_up_to(range.last);
        stretch.is_some_and(|(_, end)| end >= range.first)
    }

    /// The last stretch that begins at `hash` or before it.
    fn last_up_to(&self, hash: u64) -> Option<(u64, u64)> {
        let stretch = self.0.range(..=hash).next_back();
        stretch.map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> HashRange {
        HashRange { first, last }
    }

    /// The answers that are left, of these sets of ranges, each named by its place.
    fn left_of(offers: &[&[(u64, u64)]]) -> Vec<usize> {
        let mut cover = Cover::default();
        for (place, ranges) in offers.iter().enumerate() {
            let ranges = ranges.iter().map(|(first, last)| range(*first, *last));
            cover.offer(ranges.collect(), place);
        }
        cover.into_answers().collect()
    }

    /// The same, of shards with a range each.
    fn left(offers: &[&[u64]]) -> Vec<usize> {
        let of_shard = |shard: &u64| (10 * shard, 10 * shard + 9);
        let offers = offers
            .iter()
            .map(|shards| shards.iter().map(of_shard).collect());
        let offers: Vec<Vec<(u64, u64)>> = offers.collect();
        left_of(&offers.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_answer_of_a_shard_wins() {
        assert_eq!(left(&[&[1, 2], &[3], &[1, 2], &[2], &[]]), [0, 1]);
    }

    #[test]
    fn a_larger_answer_takes_the_place_of_smaller_ones() {
        assert_eq!(left(&[&[1], &[2], &[4], &[1, 2, 3]]), [2, 3]);
    }

    #[test]
    fn no_shard_is_told_of_twice() {
        assert_eq!(left(&[&[1, 2], &[2, 3]]), [0]);
        assert_eq!(left(&[&[1, 2], &[2, 3], &[3]]), [0, 2]);
    }

    #[test]
    fn an_answer_from_before_a_split_and_one_of_the_child_are_never_both_taken() {
        let (before, below, child) = ((0, 99), (0, 49), (50, 99));
        assert_eq!(left_of(&[&[before], &[child]]), [0]);
        assert_eq!(left_of(&[&[child], &[before], &[below]]), [1]);
        assert_eq!(left_of(&[&[below], &[child], &[before]]), [0, 1]);
        // The child's answer comes along with that of another shard.
        let other = (100, 199);
        assert_eq!(left_of(&[&[child, other], &[before], &[below]]), [0, 2]);
    }

    #[test]
    fn stretches_that_meet_or_touch_become_one() {
        let mut told = Told::default();
        for (first, last) in [(10, 19), (30, 39), (50, u64::MAX), (20, 29), (0, 9)] {
            told.add(range(first, last));
        }
        assert_eq!(told.0, BTreeMap::from([(0, 39), (50, u64::MAX)]));
        assert!(told.meets(range(39, 45)) && !told.meets(range(40, 49)));
        told.add(range(5, 60));
        assert_eq!(told.0, BTreeMap::from([(0, u64::MAX)]));
    }

    #[test]
    fn all_of_a_range_must_be_told_of() {
        let mut cover = Cover::default();
        cover.offer(vec![range(0, 49)], ());
        cover.offer(vec![range(60, u64::MAX)], ());
        assert!(cover.has(range(7, 49)) && cover.has(range(60, u64::MAX)));
        assert!(!cover.has(range(49, 50)) && !cover.has(range(0, u64::MAX)));
        cover.offer(vec![range(50, 59)], ());
        assert!(cover.has(range(0, u64::MAX)));
    }
}
