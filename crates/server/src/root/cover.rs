//! Answers of several leaves that together tell of each hash once.

use vectra_cluster::placement::HashRange;

/// Answers, none of which tells of a hash that another one tells of: two replicas of a shard may
/// answer as of different moments, one of them even from before a split, and a search must not see
/// two versions of a row.
pub(super) struct Cover<T> {
    parts: Vec<(Vec<HashRange>, T)>,
}

impl<T> Cover<T> {
    /// Takes an answer about these ranges, none of which meets another, in place of those that tell of
    /// some of them, and of nothing else. An answer cannot be divided, so it is left out if one of
    /// those tells of more; and so it is if it tells nothing new.
    pub(super) fn offer(&mut self, ranges: Vec<HashRange>, answer: T) {
        let meets = |part: &[HashRange]| part.iter().any(|range| meets_any(*range, &ranges));
        let is_within = |part: &[HashRange]| part.iter().all(|range| is_covered(*range, &ranges));
        let tells_nothing_new = ranges.iter().all(|range| self.has(*range));
        let is_in_part = |part: &[HashRange]| meets(part) && !is_within(part);
        if tells_nothing_new || self.parts.iter().any(|(part, _)| is_in_part(part)) {
            return;
        }
        self.parts.retain(|(part, _)| !meets(part));
        self.parts.push((ranges, answer));
    }

    /// Whether the answers tell of all of `range`.
    pub(super) fn has(&self, range: HashRange) -> bool {
        let parts = self.parts.iter();
        let told: Vec<HashRange> = parts.flat_map(|(part, _)| part.iter().copied()).collect();
        is_covered(range, &told)
    }

    pub(super) fn into_answers(self) -> impl Iterator<Item = T> {
        self.parts.into_iter().map(|(_, answer)| answer)
    }
}

impl<T> Default for Cover<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

fn meets_any(range: HashRange, others: &[HashRange]) -> bool {
    others.iter().any(|other| range.meet(*other).is_some())
}

/// Whether every hash of `range` is in one of the others, of which none meets another.
fn is_covered(range: HashRange, others: &[HashRange]) -> bool {
    let hashes = |range: HashRange| u128::from(range.last - range.first) + 1;
    let met = others.iter().filter_map(|other| range.meet(*other));
    met.map(hashes).sum::<u128>() == hashes(range)
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
