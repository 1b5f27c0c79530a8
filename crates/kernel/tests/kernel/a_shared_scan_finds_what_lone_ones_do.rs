use std::cell::RefCell;

use proptest::prelude::*;
use vectra_kernel::{FoldedQuery, Query, Rider, TopRows, scan_top, scan_top_many};

use crate::adversarial::Vectors;
use crate::decaying::{Decaying, decaying, staged};
use crate::laid_out::{LAYOUTS, LaidOut};

/// More than one pass over a block takes.
const QUERIES: usize = 27;

/// Queries of different floors, deletions and capacities, together and each alone.
fn assert_together_is_as_alone(set: &Decaying) {
    let Vectors { query, rows } = set.vectors();
    let mut queries = vec![query];
    let row_queries = rows
        .chunks(set.dimension)
        .filter(|row| row.iter().any(|&v| v != 0.0));
    queries.extend(
        row_queries
            .step_by(31)
            .take(QUERIES - 1)
            .map(<[f32]>::to_vec),
    );
    for layout in LAYOUTS {
        let laid_out = LaidOut::new(layout, set.dimension, &rows);
        let folded: Vec<FoldedQuery> = queries.iter().map(|query| laid_out.fold(query)).collect();
        let is_live = |query: usize| move |row: u32| !(row as usize + query).is_multiple_of(7);
        let live: Vec<_> = (0..folded.len()).map(is_live).collect();
        let capacity = |query: usize| [0, 1, 10, 40][query % 4];
        let floor = |query: usize| match query % 3 {
            0 => f32::NEG_INFINITY,
            _ => nth_best(&queries[query], &laid_out, 5 * query),
        };

        let mut tops: Vec<TopRows> = (0..folded.len())
            .map(|query| TopRows::new(capacity(query)))
            .collect();
        let mut riders: Vec<Rider<'_>> = tops
            .iter_mut()
            .enumerate()
            .map(|(query, top)| Rider {
                query: &folded[query],
                floor: floor(query),
                is_live: &live[query],
                top,
            })
            .collect();
        scan_top_many(laid_out.codes(), laid_out.rows(), &mut riders);

        for (query, together) in tops.into_iter().enumerate() {
            let mut alone = TopRows::new(capacity(query));
            scan_top(
                laid_out.codes(),
                laid_out.rows(),
                &folded[query],
                floor(query),
                live[query],
                &mut alone,
            );
            assert_eq!(together.best_dropped(), alone.best_dropped(), "{layout:?}");
            assert_eq!(together.into_sorted(), alone.into_sorted(), "{layout:?}");
        }
    }
}

fn nth_best(query: &[f32], rows: &LaidOut<'_>, n: usize) -> f32 {
    let query = Query::new(query.to_vec()).unwrap();
    let scores = rows.rows().map(|row| query.score(rows.vector(row as u32)));
    let mut scores: Vec<f32> = scores.collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores[n]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn whatever_the_vectors(set in decaying()) {
        assert_together_is_as_alone(&set);
    }
}

#[test]
fn in_stages() {
    for set in staged() {
        assert_together_is_as_alone(&set);
    }
}

#[test]
fn a_floor_loses_no_row_that_reaches_it() {
    for set in staged() {
        let Vectors { query, rows } = set.vectors();
        for layout in LAYOUTS {
            let laid_out = LaidOut::new(layout, set.dimension, &rows);
            let folded = laid_out.fold(&query);
            let scores = laid_out.scores(&folded);
            let exact = Query::new(query.clone()).unwrap();
            for n in [0, 9, 100, set.rows - 1] {
                let floor = nth_best(&query, &laid_out, n);
                let asked = RefCell::new(Vec::new());
                let is_live = |row| {
                    asked.borrow_mut().push(row);
                    true
                };
                let mut top = TopRows::new(set.rows);
                scan_top(
                    laid_out.codes(),
                    laid_out.rows(),
                    &folded,
                    floor,
                    is_live,
                    &mut top,
                );
                assert_eq!(top.best_dropped(), None);
                let found = top.into_sorted();
                assert!(
                    found
                        .iter()
                        .all(|&(score, row)| score == scores[row as usize])
                );
                let reaches = |row: &u32| exact.score(laid_out.vector(*row)) >= floor;
                let reaching = (0..set.rows as u32).filter(reaches);
                for row in reaching {
                    assert!(
                        found.contains(&(scores[row as usize], row)),
                        "{row} is lost"
                    );
                }
                assert_eq!(
                    asked.borrow().len(),
                    found.len(),
                    "no other row was asked about"
                );
            }
        }
    }
}
