//! The best hits so far.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::root::Hit;

/// The best `k` hits so far: by score, then by id, so that ties never flicker.
pub(super) struct BestHits {
    k: usize,
    heap: BinaryHeap<Ranked>,
}

/// A hit whose order is "worse is greater", so that the top of a heap is the k-th best.
#[derive(Debug, PartialEq)]
struct Ranked(Hit);

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.0.score.total_cmp(&self.0.score);
        by_score.then_with(|| self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl BestHits {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::new(),
        }
    }

    /// The score that a further hit must reach, once there are `k`.
    pub(super) fn kth_score(&self) -> Option<f32> {
        if self.heap.len() < self.k {
            return None;
        }
        self.heap.peek().map(|worst| worst.0.score)
    }

    /// Whether a row whose exact score is at most `upper` can be no part of the answer. A tie
    /// stays in: equal scores are ordered by id.
    pub(super) fn excludes(&self, upper: f64) -> bool {
        self.kth_score().is_some_and(|kth| upper < f64::from(kth))
    }

    pub(super) fn offer(&mut self, hit: Hit) {
        self.heap.push(Ranked(hit));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// The hits, best first; leaves none behind.
    pub(super) fn take_sorted(&mut self) -> Vec<Hit> {
        let sorted = std::mem::take(&mut self.heap).into_sorted_vec();
        sorted.into_iter().map(|ranked| ranked.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_two(hits: &[(&str, f32)]) -> Vec<String> {
        let mut best = BestHits::new(2);
        for &(id, score) in hits {
            best.offer(Hit {
                id: id.to_owned(),
                score,
            });
        }
        best.take_sorted().into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn the_highest_scores_stay_and_ties_go_by_id() {
        assert_eq!(
            best_two(&[("c", 0.5), ("b", 0.5), ("d", -0.5), ("a", 0.5)]),
            ["a", "b"]
        );
    }

    #[test]
    fn a_row_that_could_tie_is_not_excluded() {
        let mut best = BestHits::new(1);
        assert!(!best.excludes(-1.0));
        best.offer(Hit {
            id: "b".to_owned(),
            score: 0.5,
        });
        assert!(!best.excludes(0.5));
        assert!(best.excludes(0.499_999));
    }
}
