use std::cmp::Reverse;

/// The best rows by integer score, at most `capacity` of them, and the best score turned away.
///
/// A higher score is better, and among equal scores a lower row.
///
/// Rows are gathered until there are half as many again as fit, and then the worst third is turned
/// away at once: that is cheaper than a heap that is in order after every row.
#[derive(Debug, Clone)]
pub struct TopRows {
    capacity: usize,
    /// Rows in no order; the best `capacity` of them are the ones kept.
    gathered: Vec<Ranked>,
    /// The length of `gathered` at which to turn the worse ones away.
    most_gathered: usize,
    /// The best score of those no longer in `gathered`.
    best_dropped: Option<i64>,
}

/// Fewer rows than this beyond the capacity are not worth a selection.
const LEAST_BEYOND: usize = 16;

/// Most rows that room is made for before they come: with a floor, few do. Hundreds of searches under way
/// keep a list each for every stretch that is scanned.
const MOST_ROOM: usize = 64;

impl TopRows {
    /// Keeps at most so many rows.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let most_gathered = capacity.saturating_add((capacity / 2).max(LEAST_BEYOND));
        Self {
            capacity,
            gathered: Vec::with_capacity(most_gathered.min(MOST_ROOM)),
            most_gathered,
            best_dropped: None,
        }
    }

    /// Takes a row in if it is among the best so far; else, or for the row it displaces, remembers
    /// the score.
    pub fn offer(&mut self, score: i64, row: u32) {
        self.gathered.push((score, Reverse(row)));
        if self.gathered.len() >= self.most_gathered {
            self.turn_away();
        }
    }

    /// Every row that scores less changes neither what is kept nor the best score turned away. Grows
    /// as rows are offered, not with each.
    pub(crate) fn floor(&self) -> i64 {
        self.best_dropped.unwrap_or(i64::MIN)
    }

    fn turn_away(&mut self) {
        let best = nth_best(&mut self.gathered, self.capacity);
        self.best_dropped = self.best_dropped.max(Some(best));
        self.gathered.truncate(self.capacity);
    }

    /// The score of the worst row kept, once there are `capacity` of them: a row below it will be
    /// turned away. Selects it among the rows gathered: not for every row.
    #[must_use]
    pub fn threshold(&self) -> Option<i64> {
        if self.capacity == 0 || self.gathered.len() < self.capacity {
            return None;
        }
        let mut gathered = self.gathered.clone();
        Some(nth_best(&mut gathered, self.capacity - 1))
    }

    /// The best score that was turned away or displaced; `None` says that every row offered is kept.
    /// Exact: the score of the best live row that is not among the kept ones. Selects it among the
    /// rows gathered: not for every row.
    #[must_use]
    pub fn best_dropped(&self) -> Option<i64> {
        if self.gathered.len() <= self.capacity {
            return self.best_dropped;
        }
        let mut gathered = self.gathered.clone();
        let best = nth_best(&mut gathered, self.capacity);
        self.best_dropped.max(Some(best))
    }

    /// The number of rows kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.gathered.len().min(self.capacity)
    }

    /// Whether no row is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows kept as (score, row), best first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<(i64, u32)> {
        let mut gathered = self.gathered;
        if gathered.len() > self.capacity {
            nth_best(&mut gathered, self.capacity);
            gathered.truncate(self.capacity);
        }
        gathered.sort_unstable_by(|a, b| b.cmp(a));
        gathered
            .into_iter()
            .map(|(score, Reverse(row))| (score, row))
            .collect()
    }
}

/// A score and its row; higher is better, and a lower row of two that score alike.
type Ranked = (i64, Reverse<u32>);

/// The score of the n-th best, from 0, with the better ones moved before it.
fn nth_best(rows: &mut [Ranked], n: usize) -> i64 {
    rows.select_nth_unstable_by(n, |a, b| b.cmp(a)).1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_the_head_of_the_sorted_offers_and_the_rest_is_below(
            scores in prop::collection::vec(-5i64..5, 0..400),
            capacity in 0usize..90,
            reversed: bool,
        ) {
            let mut offers: Vec<(i64, u32)> = scores.into_iter().zip(0u32..).collect();
            if reversed {
                offers.reverse();
            }
            let mut top = TopRows::new(capacity);
            for &(score, row) in &offers {
                top.offer(score, row);
            }
            offers.sort_by_key(|&(score, row)| (Reverse(score), row));
            let kept = offers.len().min(capacity);
            prop_assert_eq!(top.best_dropped(), offers.get(kept).map(|offer| offer.0));
            let full = kept == capacity && capacity > 0;
            prop_assert_eq!(top.threshold(), full.then(|| offers[kept - 1].0));
            prop_assert_eq!(top.into_sorted(), offers[..kept].to_vec());
        }
    }
}
