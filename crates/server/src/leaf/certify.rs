//! From the integer scan's candidates to hits, with the proof that nothing is missing.
//!
//! Every live row of a stretch is ruled out by the floor it was scanned with, or is among its
//! candidates, or has an integer score no better than the stretch's `dropped`. The kernel bounds the
//! exact score of a row from above by its integer score; so candidates are rescored in the order of that
//! bound until the k-th best exact score, over all stretches so far, beats every bound left. Where
//! dropped rows could still belong, the stretch is scanned once more for all rows that reach the k-th
//! score. The k-th score only ever rises, so a row that is ruled out once is ruled out for good,
//! whichever stretches come later.

use std::collections::HashSet;
use std::ops::Range;

use vectra_kernel::{FoldedQuery, Query, scan_above};
use vectra_store::Part;

use super::LeafError;
use super::best_hits::BestHits;

/// What the scan of some rows of a part left over.
pub(super) struct Finding<'a> {
    pub(super) query: &'a Query,
    pub(super) parts: &'a dyn Fn(usize) -> &'a Part,
    /// Which part.
    pub(super) number: usize,
    pub(super) stretch: Range<usize>,
    pub(super) folded: &'a FoldedQuery,
    /// Rows of this part that were scored before the scan, ascending.
    pub(super) known: &'a [u32],
    /// Best first: integer score and row.
    pub(super) rows: Vec<(i64, u32)>,
    /// The best integer score that a live row not among `rows` may have, if it reaches the floor.
    pub(super) dropped: Option<i64>,
}

impl Finding<'_> {
    /// Adds every hit of these rows that belongs among the proven best.
    pub(super) fn settle_exactly(&self, best: &mut BestHits) -> Result<(), LeafError> {
        self.rescore(&self.rows, best)?;
        match self.dropped {
            Some(dropped) if !best.excludes(self.folded.upper(dropped)) => {
                self.rescore_dropped(best)
            }
            _ => Ok(()),
        }
    }

    /// Adds the hits of these rows by the integer scan's own ranking: what each integer score stands
    /// for.
    pub(super) fn settle_by_integers(&self, best: &mut BestHits) -> Result<(), LeafError> {
        for &(score, row) in &self.rows {
            let estimate = self.folded.estimate(score);
            if best.excludes(estimate) {
                break;
            }
            best.offer(estimate as f32, self.number, row, |part, row| {
                self.id(part, row)
            })?;
        }
        Ok(())
    }

    /// `rows` come in descending order of their integer scores, and so of their bounds.
    fn rescore(&self, rows: &[(i64, u32)], best: &mut BestHits) -> Result<(), LeafError> {
        let part = (self.parts)(self.number);
        let mut vector = Vec::new();
        for &(integer_score, row) in rows {
            if best.excludes(self.folded.upper(integer_score)) {
                break;
            }
            if self.known.binary_search(&row).is_ok() {
                continue;
            }
            part.read_vector(row, &mut vector)?;
            let score = self.query.score(&vector);
            best.offer(score, self.number, row, |part, row| self.id(part, row))?;
        }
        Ok(())
    }

    /// Every row that could still belong and was not among the candidates.
    fn rescore_dropped(&self, best: &mut BestHits) -> Result<(), LeafError> {
        let part = (self.parts)(self.number);
        let floor = best
            .kth_score()
            .map_or(i64::MIN, |kth| self.folded.floor_for(kth));
        let mut missed = Vec::new();
        scan_above(
            part.codes(),
            self.stretch.clone(),
            self.folded,
            floor,
            |row| part.is_live(row),
            &mut missed,
        );
        let seen: HashSet<u32> = self.rows.iter().map(|&(_, row)| row).collect();
        missed.retain(|(_, row)| !seen.contains(row));
        missed.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        self.rescore(&missed, best)
    }

    fn id(&self, part: usize, row: u32) -> Result<String, LeafError> {
        Ok((self.parts)(part).id(row)?)
    }
}
