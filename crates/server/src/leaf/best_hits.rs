//! The best hits so far.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::LeafError;
use crate::root::Hit;

/// A row that may be a hit.
#[derive(Debug)]
struct Found {
    score: f32,
    /// Which part of the search it is of, and which row there.
    part: usize,
    row: u32,
    /// Read only where it matters: most rows found early are no part of the answer.
    id: Option<String>,
}

/// A score whose order is "worse is greater", so that the top of a heap is the worst.
#[derive(Debug, PartialEq)]
struct Worst(f32);

impl Eq for Worst {}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0)
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best `k` hits so far: by score, then by id, so that ties never flicker.
pub(super) struct BestHits {
    k: usize,
    /// The best k scores.
    scores: BinaryHeap<Worst>,
    /// Every row found whose score was among them, and those that tie with the k-th.
    found: Vec<Found>,
}

/// More rows than this beyond a few times k are thinned out: only where very many tie.
const MOST_BEYOND: usize = 4096;

impl BestHits {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            scores: BinaryHeap::new(),
            found: Vec::new(),
        }
    }

    /// The score that a further hit must reach, once there are `k`.
    pub(super) fn kth_score(&self) -> Option<f32> {
        if self.scores.len() < self.k {
            return None;
        }
        self.scores.peek().map(|worst| worst.0)
    }

    /// Whether a row whose exact score is at most `upper` can be no part of the answer. A tie
    /// stays in: equal scores are ordered by id.
    pub(super) fn excludes(&self, upper: f64) -> bool {
        self.kth_score().is_some_and(|kth| upper < f64::from(kth))
    }

    /// Takes in a row, each row once; `id_of` gives the id of a row of a part.
    pub(super) fn offer(
        &mut self,
        score: f32,
        part: usize,
        row: u32,
        id_of: impl Fn(usize, u32) -> Result<String, LeafError>,
    ) -> Result<(), LeafError> {
        if self.kth_score().is_some_and(|kth| score < kth) {
            return Ok(());
        }
        self.scores.push(Worst(score));
        if self.scores.len() > self.k {
            self.scores.pop();
        }
        self.found.push(Found {
            score,
            part,
            row,
            id: None,
        });
        if self.found.len() > 4 * self.k + MOST_BEYOND {
            self.thin_out(id_of)?;
        }
        Ok(())
    }

    /// Leaves the best k, in order.
    fn thin_out(
        &mut self,
        id_of: impl Fn(usize, u32) -> Result<String, LeafError>,
    ) -> Result<(), LeafError> {
        if let Some(kth) = self.kth_score() {
            self.found.retain(|found| found.score >= kth);
        }
        for found in &mut self.found {
            if found.id.is_none() {
                found.id = Some(id_of(found.part, found.row)?);
            }
        }
        self.found.sort_unstable_by(|left, right| {
            let by_score = right.score.total_cmp(&left.score);
            by_score.then_with(|| left.id.cmp(&right.id))
        });
        self.found.truncate(self.k);
        Ok(())
    }

    /// The hits, best first; leaves none behind.
    pub(super) fn take_sorted(
        &mut self,
        id_of: impl Fn(usize, u32) -> Result<String, LeafError>,
    ) -> Result<Vec<Hit>, LeafError> {
        self.thin_out(id_of)?;
        self.scores.clear();
        let hit = |found: Found| Hit {
            id: found.id.unwrap_or_default(),
            score: found.score,
        };
        Ok(self.found.drain(..).map(hit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_two(hits: &[(&str, f32)]) -> Vec<String> {
        let id_of = |_, row: u32| Ok(hits[row as usize].0.to_owned());
        let mut best = BestHits::new(2);
        for (row, &(_, score)) in (0..).zip(hits) {
            best.offer(score, 0, row, id_of).unwrap();
        }
        let hits = best.take_sorted(id_of).unwrap();
        hits.into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn the_highest_scores_stay_and_ties_go_by_id() {
        assert_eq!(
            best_two(&[("c", 0.5), ("b", 0.5), ("d", -0.5), ("a", 0.5)]),
            ["a", "b"]
        );
        assert_eq!(
            best_two(&[("c", 0.5), ("b", 0.7), ("a", 0.5), ("d", 0.9)]),
            ["d", "b"]
        );
    }

    #[test]
    fn of_very_many_ties_the_first_ids_stay() {
        let ids: Vec<String> = (0..3 * MOST_BEYOND)
            .map(|n| format!("{:05}", n * 7919 % 20_011))
            .collect();
        let hits: Vec<(&str, f32)> = ids.iter().map(|id| (id.as_str(), 0.25)).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        assert_eq!(best_two(&hits), sorted[..2]);
    }

    #[test]
    fn a_row_that_could_tie_is_not_excluded() {
        let mut best = BestHits::new(1);
        assert!(!best.excludes(-1.0));
        best.offer(0.5, 0, 0, |_, _| Ok("b".into())).unwrap();
        assert!(!best.excludes(0.5));
        assert!(best.excludes(0.499_999));
    }
}
