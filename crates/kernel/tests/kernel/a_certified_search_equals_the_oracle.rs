use proptest::prelude::*;
use vectra_kernel::{Query, oracle};

use crate::adversarial::{Vectors, vectors};
use crate::certified_search::{brute_force, certified_search, segments};
use crate::clustered::clustered;

fn assert_certified_equals_brute_force(
    vectors: &Vectors,
    k: usize,
    slack: usize,
    rows_each: usize,
    dead_every: u32,
) {
    let query = Query::new(vectors.query.clone()).unwrap();
    let segments = segments(vectors.dimension(), &vectors.rows, rows_each);
    let is_live = |row: u32| !(row + 1).is_multiple_of(dead_every);
    let certified = certified_search(&query, &segments, is_live, k, slack);
    assert_eq!(
        certified.rows,
        brute_force(&query, &vectors.rows, is_live, k)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_the_vectors_the_segments_and_the_deletions(
        vectors in vectors(),
        k in 1usize..12,
        slack in 0usize..6,
        rows_each in 1usize..40,
        dead_every in 2u32..50,
    ) {
        assert_certified_equals_brute_force(&vectors, k, slack, rows_each, dead_every);
    }
}

#[test]
fn rows_that_are_all_equal_answer_with_the_lowest() {
    let row = [0.3, -0.2, 0.9];
    let vectors = Vectors {
        query: vec![0.3, 0.1, 0.8],
        rows: row.repeat(50),
    };
    assert_certified_equals_brute_force(&vectors, 7, 2, 20, 3);
}

#[test]
fn clustered_rows_equal_the_float64_oracle_and_few_of_them_are_rescored() {
    let set = clustered(96, 20, 100, 11);
    let segments = segments(set.dimension, &set.rows, 700);
    let mut rescored = 0;
    for values in &set.queries {
        let query = Query::new(values.clone()).unwrap();
        let certified = certified_search(&query, &segments, |_| true, 10, 22);
        let found: Vec<u32> = certified.rows.iter().map(|row| row.1).collect();
        let right: Vec<u32> = oracle::top(values, &set.rows, 10)
            .iter()
            .map(|row| row.0)
            .collect();
        assert_eq!(found, right);
        rescored += certified.rescored;
    }
    let all_rows = set.rows.len() / set.dimension * set.queries.len();
    assert!(
        rescored * 20 < all_rows,
        "{rescored} of {all_rows} rows were rescored"
    );
}
