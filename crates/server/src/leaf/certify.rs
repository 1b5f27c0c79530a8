//! From the integer scan's candidates to hits, with the proof that nothing is missing.
//!
//! Every live row of a part is either among its candidates or has an integer score no better than
//! the part's `dropped`. The kernel bounds the exact score of a row from above by its integer
//! score; so candidates are rescored in the order of that bound until the k-th best exact score,
//! over all parts so far, beats every bound left. Where dropped rows could still belong, the part
//! is scanned once more for all rows that reach the k-th score. The k-th score only ever rises, so
//! a row that is ruled out once is ruled out for good, whichever parts come later.

use std::collections::HashSet;

use vectra_kernel::{FoldedQuery, Query, scan_above};
use vectra_store::Part;

use super::LeafError;
use super::best_hits::BestHits;
use crate::root::Hit;

/// What the scan of one part left over.
pub(super) struct PartFinding<'a> {
    pub(super) part: &'a Part,
    pub(super) folded: FoldedQuery,
    /// Best first: integer score and row.
    pub(super) rows: Vec<(i32, u32)>,
    /// The best integer score that a live row not among `rows` may have.
    pub(super) dropped: Option<i32>,
}

/// Adds every hit of this part that belongs among the proven best.
pub(super) fn settle_exactly(
    query: &Query,
    found: PartFinding<'_>,
    best: &mut BestHits,
) -> Result<(), LeafError> {
    let mut rescorer = Rescorer {
        query,
        part: found.part,
        vector: Vec::new(),
    };
    rescorer.rescore(&found.folded, &found.rows, best)?;
    match found.dropped {
        Some(dropped) if !best.excludes(found.folded.upper(dropped)) => {
            rescorer.rescore_dropped(&found, best)
        }
        _ => Ok(()),
    }
}

/// Adds the hits of this part by the integer scan's own ranking: the middle of what each integer
/// score can stand for.
pub(super) fn settle_by_integers(
    found: PartFinding<'_>,
    best: &mut BestHits,
) -> Result<(), LeafError> {
    for &(score, row) in &found.rows {
        let middle = f64::midpoint(found.folded.lower(score), found.folded.upper(score));
        if best.excludes(middle) {
            break;
        }
        let id = found.part.id(row)?.to_owned();
        best.offer(Hit {
            id,
            score: middle as f32,
        });
    }
    Ok(())
}

struct Rescorer<'a> {
    query: &'a Query,
    part: &'a Part,
    vector: Vec<f32>,
}

impl Rescorer<'_> {
    /// `rows` come in descending order of their integer scores, and so of their bounds.
    fn rescore(
        &mut self,
        folded: &FoldedQuery,
        rows: &[(i32, u32)],
        best: &mut BestHits,
    ) -> Result<(), LeafError> {
        for &(integer_score, row) in rows {
            if best.excludes(folded.upper(integer_score)) {
                break;
            }
            self.part.read_vector(row, &mut self.vector)?;
            let score = self.query.score(&self.vector);
            if best.kth_score().is_none_or(|kth| score >= kth) {
                best.offer(Hit {
                    id: self.part.id(row)?.to_owned(),
                    score,
                });
            }
        }
        Ok(())
    }

    /// Every row that could still belong and was not among the candidates.
    fn rescore_dropped(
        &mut self,
        found: &PartFinding<'_>,
        best: &mut BestHits,
    ) -> Result<(), LeafError> {
        let (part, folded) = (self.part, &found.folded);
        let floor = best
            .kth_score()
            .map_or(i32::MIN, |kth| folded.floor_for(kth));
        let mut missed = Vec::new();
        scan_above(
            part.codes(),
            folded,
            floor,
            |row| part.is_live(row),
            &mut missed,
        );
        let seen: HashSet<u32> = found.rows.iter().map(|&(_, row)| row).collect();
        missed.retain(|(_, row)| !seen.contains(row));
        missed.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        self.rescore(folded, &missed, best)
    }
}
