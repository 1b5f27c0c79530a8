use simsimd::SpatialSimilarity;

use crate::{Codes, FoldedQuery, TopRows, instruction_set};

/// Offers every live row to `top`, lower rows first.
///
/// `is_live` is asked only about rows whose score is not below the best one turned away so far. A
/// row that is not live counts neither as kept nor as turned away.
///
/// # Panics
///
/// If the query was folded for another dimension.
pub fn scan_top(
    codes: Codes<'_>,
    query: &FoldedQuery,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    // Every live row below this one changes neither the kept rows nor the best score dropped.
    let mut floor = top.best_dropped().unwrap_or(i32::MIN);
    scan(codes, query, |row, score| {
        if score >= floor && is_live(row) {
            top.offer(score, row);
            floor = top.best_dropped().unwrap_or(i32::MIN);
        }
    });
}

/// Appends every live row whose integer score is at least `floor`, as (score, row), lower rows
/// first. `is_live` is asked only about those.
///
/// # Panics
///
/// If the query was folded for another dimension.
pub fn scan_above(
    codes: Codes<'_>,
    query: &FoldedQuery,
    floor: i32,
    is_live: impl Fn(u32) -> bool,
    found: &mut Vec<(i32, u32)>,
) {
    scan(codes, query, |row, score| {
        if score >= floor && is_live(row) {
            found.push((score, row));
        }
    });
}

fn scan(codes: Codes<'_>, query: &FoldedQuery, mut each: impl FnMut(u32, i32)) {
    assert_eq!(
        codes.dimension(),
        query.codes().len(),
        "codes of another dimension than the query's"
    );
    // Chooses simsimd's kernels once, before threads meet in its unguarded table of them.
    instruction_set();
    for (row, row_codes) in codes.iter() {
        each(row, inner_product(row_codes, query.codes()));
    }
}

/// Σ aᵢ·bᵢ, exact: simsimd adds in 32 bits, which [`MAX_DIMENSION`](crate::MAX_DIMENSION) codes
/// cannot overflow, and only then converts.
fn inner_product(a: &[i8], b: &[i8]) -> i32 {
    // Only slices of two lengths have no product, and the caller has compared the dimensions.
    i8::dot(a, b).map_or(i32::MIN, |sum| sum as i32)
}
