use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The best rows by integer score, at most `capacity` of them, and the best score turned away.
///
/// A higher score is better, and among equal scores a lower row.
#[derive(Debug, Clone)]
pub struct TopRows {
    capacity: usize,
    /// The worst of the kept rows is on top.
    kept: BinaryHeap<Reverse<(i32, Reverse<u32>)>>,
    best_dropped: Option<i32>,
}

impl TopRows {
    /// Keeps at most so many rows.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: BinaryHeap::with_capacity(capacity.min(1 << 14)),
            best_dropped: None,
        }
    }

    /// Keeps at most so many rows, and counts every row below `floor` as turned away already: for a
    /// scan of which only rows from `floor` on matter.
    #[must_use]
    pub fn with_floor(capacity: usize, floor: i32) -> Self {
        let best_dropped = floor.checked_sub(1);
        Self {
            best_dropped,
            ..Self::new(capacity)
        }
    }

    /// Takes a row in if it is among the best so far; else, or for the row it displaces, remembers
    /// the score.
    pub fn offer(&mut self, score: i32, row: u32) {
        let offered = Reverse((score, Reverse(row)));
        if self.kept.len() < self.capacity {
            self.kept.push(offered);
            return;
        }
        let dropped = match self.kept.peek_mut() {
            // Reverse: the better one is the lesser.
            Some(mut worst) if offered < *worst => std::mem::replace(&mut *worst, offered).0.0,
            _ => score,
        };
        self.best_dropped = self.best_dropped.max(Some(dropped));
    }

    /// The score of the worst row kept, once there are `capacity` of them: a row below it will be
    /// turned away.
    #[must_use]
    pub fn threshold(&self) -> Option<i32> {
        if self.kept.len() < self.capacity {
            return None;
        }
        self.kept.peek().map(|Reverse((score, _))| *score)
    }

    /// The best score that was turned away or displaced; `None` says that every row offered is kept.
    #[must_use]
    pub fn best_dropped(&self) -> Option<i32> {
        self.best_dropped
    }

    /// The number of rows kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether no row is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The rows kept as (score, row), best first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<(i32, u32)> {
        let sorted = self.kept.into_sorted_vec();
        sorted
            .into_iter()
            .map(|Reverse((score, Reverse(row)))| (score, row))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_the_head_of_the_sorted_offers_and_the_rest_is_below(
            scores in prop::collection::vec(-5i32..5, 0..60),
            capacity in 0usize..12,
            reversed: bool,
        ) {
            let mut offers: Vec<(i32, u32)> = scores.into_iter().zip(0u32..).collect();
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
