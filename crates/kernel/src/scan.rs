use crate::instruction_set::{PORTABLE, instruction_set};
use crate::{Codes, FoldedQuery, TopRows, inner_product};

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

fn scan(codes: Codes<'_>, query: &FoldedQuery, each: impl FnMut(u32, i32)) {
    assert_eq!(
        codes.dimension(),
        query.codes().len(),
        "codes of another dimension than the query's"
    );
    // Asking also chooses simsimd's kernels before threads meet in its unguarded table of them.
    if instruction_set() == PORTABLE {
        scan_with(inner_product::portable, codes, query, each);
    } else {
        scan_with(inner_product::simsimd, codes, query, each);
    }
}

/// Compiled once per inner product, so that its choice costs nothing per row.
fn scan_with(
    inner_product: impl Fn(&[i8], &[i8]) -> i32,
    codes: Codes<'_>,
    query: &FoldedQuery,
    mut each: impl FnMut(u32, i32),
) {
    for (row, row_codes) in codes.iter() {
        each(row, inner_product(row_codes, query.codes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{QuantizedRows, Query};

    /// Scores grow with the row: every row beats the ones before it.
    fn rows_towards_the_query() -> (QuantizedRows, FoldedQuery) {
        let vectors: Vec<f32> = (0..20).flat_map(|row| [1.0, row as f32 / 20.0]).collect();
        let quantized = QuantizedRows::quantize(2, &vectors);
        let folded = Query::new(vec![0.0, 1.0])
            .unwrap()
            .fold(quantized.as_codes());
        (quantized, folded)
    }

    #[test]
    fn a_dead_row_is_neither_kept_nor_turned_away() {
        let (quantized, folded) = rows_towards_the_query();
        let mut top = TopRows::new(3);
        scan_top(quantized.as_codes(), &folded, |row| row < 3, &mut top);
        assert_eq!(top.best_dropped(), None);
        let rows: Vec<u32> = top.into_sorted().iter().map(|&(_, row)| row).collect();
        assert_eq!(rows, [2, 1, 0]);
    }

    #[test]
    fn the_best_row_turned_away_is_remembered() {
        let (quantized, folded) = rows_towards_the_query();
        let mut all = Vec::new();
        scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
        let mut top = TopRows::new(3);
        scan_top(quantized.as_codes(), &folded, |row| row != 18, &mut top);
        assert_eq!(top.best_dropped(), Some(all[15].0));
        assert_eq!(top.into_sorted(), [all[19], all[17], all[16]]);
    }

    #[test]
    fn a_lower_row_displaces_an_equal_one_offered_before() {
        let quantized = QuantizedRows::quantize(1, &[3.0, 5.0]);
        let folded = Query::new(vec![1.0]).unwrap().fold(quantized.as_codes());
        let score = 127 * 127;
        let mut top = TopRows::new(2);
        for row in [7, 8, 9] {
            top.offer(score, row);
        }
        scan_top(quantized.as_codes(), &folded, |_| true, &mut top);
        assert_eq!(top.into_sorted(), [(score, 0), (score, 1)]);
    }

    #[test]
    fn only_live_rows_at_or_above_the_floor_are_found() {
        let (quantized, folded) = rows_towards_the_query();
        let mut all = Vec::new();
        scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
        let mut found = Vec::new();
        scan_above(
            quantized.as_codes(),
            &folded,
            all[17].0,
            |row| row != 18,
            &mut found,
        );
        assert_eq!(found, [all[17], all[19]]);
    }
}
