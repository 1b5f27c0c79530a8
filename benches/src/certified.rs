//! A proven search over one segment in memory, put together from the kernel's pieces.

use std::collections::HashSet;

use vectra_kernel::{Codes, FoldedQuery, Query, TopRows, scan_above, scan_top};

/// An answer and what its proof took.
pub struct Certified {
    /// (score, row), best first.
    pub rows: Vec<(f32, u32)>,
    /// The rows that were scored exactly.
    pub rescored: usize,
    /// Whether the rows kept did not suffice, and a second scan fetched more.
    pub scanned_again: bool,
}

/// The k rows of the highest cosine. The scan keeps k + `slack` candidates; `vectors` are the
/// segment's float32 rows.
#[must_use]
pub fn search(
    query: &Query,
    codes: Codes<'_>,
    vectors: &[f32],
    k: usize,
    slack: usize,
) -> Certified {
    let folded = query.fold(codes);
    let mut top = TopRows::new(k + slack);
    scan_top(codes, &folded, |_| true, &mut top);
    finish(query, &folded, codes, vectors, k, top)
}

/// Rescores what a scan kept until the answer is proven.
#[must_use]
pub fn finish(
    query: &Query,
    folded: &FoldedQuery,
    codes: Codes<'_>,
    vectors: &[f32],
    k: usize,
    top: TopRows,
) -> Certified {
    let mut scored = HashSet::new();
    let mut rows: Vec<(f32, u32)> = Vec::new();
    let mut rescore = |row: u32, rows: &mut Vec<(f32, u32)>| {
        if scored.insert(row) {
            let vector = &vectors[row as usize * query.dimension()..][..query.dimension()];
            rows.push((query.score(vector), row));
            rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            rows.truncate(k);
        }
    };
    let beaten = |rows: &[(f32, u32)], score: i32| {
        rows.get(k - 1)
            .is_some_and(|kth| f64::from(kth.0) > folded.upper(score))
    };

    let dropped = top.best_dropped();
    for (score, row) in top.into_sorted() {
        if beaten(&rows, score) {
            break;
        }
        rescore(row, &mut rows);
    }
    let open = dropped.filter(|&score| !beaten(&rows, score));
    if open.is_some() {
        let floor = rows
            .get(k - 1)
            .map_or(i32::MIN, |kth| folded.floor_for(kth.0));
        let mut found = Vec::new();
        scan_above(codes, folded, floor, |_| true, &mut found);
        for (_, row) in found {
            rescore(row, &mut rows);
        }
    }
    Certified {
        rescored: scored.len(),
        rows,
        scanned_again: open.is_some(),
    }
}
