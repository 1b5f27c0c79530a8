//! From the integer scan's candidates to the answer, with the proof that nothing is missing.
//!
//! Every live row of a part is either among its candidates or has an integer score no better than
//! the part's `dropped`. The kernel bounds the exact score of a row from above by its integer
//! score; so rows are rescored in the order of that bound until the k-th best exact score beats
//! every bound left, among candidates and dropped rows alike. Where dropped rows could still
//! belong, their part is scanned once more for all rows that reach the k-th score.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use vectra_kernel::scan_above;

use super::LeafError;
use super::search_job::{PartFinding, SearchJob};
use crate::root::Hit;

/// A hit whose order is "worse is greater", so that the top of a heap is the k-th best.
#[derive(Debug, PartialEq)]
struct Ranked(Hit);

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .0
            .score
            .total_cmp(&self.0.score)
            .then_with(|| self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best `k` hits so far.
struct BestHits {
    k: usize,
    heap: BinaryHeap<Ranked>,
}

impl BestHits {
    fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::new(),
        }
    }

    /// The score that a further hit must reach, once there are `k`.
    fn kth_score(&self) -> Option<f32> {
        if self.heap.len() < self.k {
            return None;
        }
        self.heap.peek().map(|worst| worst.0.score)
    }

    /// Whether a row whose exact score is at most `upper` can be no part of the answer. A tie
    /// stays in: equal scores are ordered by id.
    fn excludes(&self, upper: f64) -> bool {
        self.kth_score().is_some_and(|kth| upper < f64::from(kth))
    }

    fn offer(&mut self, hit: Hit) {
        self.heap.push(Ranked(hit));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    fn into_sorted(self) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|ranked| ranked.0)
            .collect()
    }
}

/// The proven top-k.
pub(super) fn exact_top(job: &SearchJob, findings: &[PartFinding]) -> Result<Vec<Hit>, LeafError> {
    let mut candidates: Vec<(f64, usize, u32)> = findings
        .iter()
        .enumerate()
        .flat_map(|(finding, found)| {
            let bound = move |&(score, row): &(i32, u32)| (found.folded.upper(score), finding, row);
            found.rows.iter().map(bound)
        })
        .collect();
    candidates.sort_unstable_by(|left, right| {
        right
            .0
            .total_cmp(&left.0)
            .then_with(|| (left.1, left.2).cmp(&(right.1, right.2)))
    });

    let mut best = BestHits::new(job.k);
    let mut rescorer = Rescorer {
        job,
        vector: Vec::new(),
    };
    for (upper, finding, row) in candidates {
        if best.excludes(upper) {
            break;
        }
        rescorer.rescore(findings[finding].part, row, &mut best)?;
    }
    for finding in findings {
        let Some(dropped) = finding.dropped else {
            continue;
        };
        if best.excludes(finding.folded.upper(dropped)) {
            continue;
        }
        rescorer.rescore_dropped(finding, &mut best)?;
    }
    Ok(best.into_sorted())
}

/// The integer scan's own ranking: the middle of what each integer score can stand for.
pub(super) fn integer_top(
    job: &SearchJob,
    findings: &[PartFinding],
) -> Result<Vec<Hit>, LeafError> {
    let mut best = BestHits::new(job.k);
    for finding in findings {
        for &(score, row) in &finding.rows {
            let folded = &finding.folded;
            let middle = f64::midpoint(folded.lower(score), folded.upper(score));
            if best.excludes(middle) {
                break;
            }
            let id = job.part(finding.part).id(row)?.to_owned();
            best.offer(Hit {
                id,
                score: middle as f32,
            });
        }
    }
    Ok(best.into_sorted())
}

struct Rescorer<'a> {
    job: &'a SearchJob,
    vector: Vec<f32>,
}

impl Rescorer<'_> {
    fn rescore(&mut self, part: usize, row: u32, best: &mut BestHits) -> Result<(), LeafError> {
        let part = self.job.part(part);
        part.read_vector(row, &mut self.vector)?;
        let score = self.job.query.score(&self.vector);
        if best.kth_score().is_none_or(|kth| score >= kth) {
            best.offer(Hit {
                id: part.id(row)?.to_owned(),
                score,
            });
        }
        Ok(())
    }

    /// Every row of the part that could still belong and was not among its candidates.
    fn rescore_dropped(
        &mut self,
        finding: &PartFinding,
        best: &mut BestHits,
    ) -> Result<(), LeafError> {
        let part = self.job.part(finding.part);
        let floor = best
            .kth_score()
            .map_or(i32::MIN, |kth| finding.folded.floor_for(kth));
        let mut found = Vec::new();
        scan_above(
            part.codes(),
            &finding.folded,
            floor,
            |row| part.is_live(row),
            &mut found,
        );
        let seen: HashSet<u32> = finding.rows.iter().map(|&(_, row)| row).collect();
        found.retain(|(_, row)| !seen.contains(row));
        found.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        for (score, row) in found {
            if best.excludes(finding.folded.upper(score)) {
                break;
            }
            self.rescore(finding.part, row, best)?;
        }
        Ok(())
    }
}
