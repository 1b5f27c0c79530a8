use proptest::prelude::*;
use vectra_kernel::{Query, oracle};

use crate::adversarial::{Vectors, vectors};
use crate::certified_search::{Effort, Segment, brute_force, certified_search, segments};
use crate::clustered::clustered;
use crate::decaying::{Decaying, decaying, staged};
use crate::laid_out::{LAYOUTS, Layout};

fn assert_certified_equals_brute_force(
    vectors: &Vectors,
    effort: Effort,
    rows_each: usize,
    dead_every: u32,
) {
    let query = Query::new(vectors.query.clone()).unwrap();
    let is_live = |row: u32| !(row + 1).is_multiple_of(dead_every);
    let right = brute_force(&query, &vectors.rows, is_live, effort.k);
    for layout in LAYOUTS {
        let segments = segments(layout, vectors.dimension(), &vectors.rows, rows_each);
        let certified = certified_search(&query, &segments, is_live, effort);
        assert_eq!(bits(&certified.rows), bits(&right), "{layout:?}");
    }
}

/// Rows with the bits of their scores: 0 and −0 are equal, but not the same answer.
fn bits(rows: &[(f32, u32)]) -> Vec<(u32, u32)> {
    rows.iter().map(|row| (row.0.to_bits(), row.1)).collect()
}

fn effort() -> impl Strategy<Value = Effort> {
    let probed = prop_oneof![Just(0usize), 1usize..300];
    (1usize..12, 0usize..6, probed).prop_map(|(k, slack, probed)| Effort { k, slack, probed })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_the_vectors_the_segments_and_the_deletions(
        vectors in vectors(),
        effort in effort(),
        rows_each in 1usize..40,
        dead_every in 2u32..50,
    ) {
        assert_certified_equals_brute_force(&vectors, effort, rows_each, dead_every);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn whatever_the_vectors_that_are_arranged(
        set in decaying(),
        effort in effort(),
        rows_each in 1024usize..2000,
        dead_every in 2u32..50,
    ) {
        assert_certified_equals_brute_force(&set.vectors(), effort, rows_each, dead_every);
    }
}

#[test]
fn rows_that_are_all_equal_answer_with_the_lowest() {
    let row = [0.3, -0.2, 0.9];
    let effort = Effort {
        k: 7,
        slack: 2,
        probed: 10,
    };
    let few = Vectors {
        query: vec![0.3, 0.1, 0.8],
        rows: row.repeat(50),
    };
    assert_certified_equals_brute_force(&few, effort, 20, 3);
    // Enough to be arranged, and whichever of them comes last in that order.
    let Vectors { query, rows } = staged()[0].vectors();
    let many = Vectors {
        rows: [rows, query.repeat(40)].concat(),
        query,
    };
    assert_certified_equals_brute_force(&many, effort, 2_000, 3);
}

#[test]
fn clustered_rows_equal_the_float64_oracle_and_few_of_them_are_rescored() {
    let set = clustered(96, 20, 100, 11);
    for layout in LAYOUTS {
        let segments = segments(layout, set.dimension, &set.rows, 700);
        assert_oracle_with_little_effort(&segments, &set.rows, &set.queries);
    }
}

#[test]
fn rows_in_stages_equal_it_too() {
    for set in staged() {
        let set = Decaying {
            odd_one_in: 0,
            ..set
        };
        let Vectors { query, rows } = set.vectors();
        let other_seed = Decaying {
            seed: set.seed + 1,
            rows: 30,
            ..set.clone()
        };
        let mut queries = vec![query];
        queries.extend(rows.chunks(set.dimension).step_by(50).map(<[f32]>::to_vec));
        let elsewhere = other_seed.vectors().rows;
        queries.extend(elsewhere.chunks(set.dimension).map(<[f32]>::to_vec));
        for layout in LAYOUTS {
            let segments = segments(layout, set.dimension, &rows, set.rows);
            let is_arranged = matches!(layout, Layout::Arranged);
            assert_eq!(segments[0].is_in_stages(), is_arranged);
            assert_oracle_with_little_effort(&segments, &rows, &queries);
        }
    }
}

fn assert_oracle_with_little_effort(segments: &[Segment<'_>], rows: &[f32], queries: &[Vec<f32>]) {
    let effort = Effort {
        k: 10,
        slack: 22,
        probed: 64,
    };
    let mut rescored = 0;
    for values in queries {
        let query = Query::new(values.clone()).unwrap();
        let certified = certified_search(&query, segments, |_| true, effort);
        let found: Vec<u32> = certified.rows.iter().map(|row| row.1).collect();
        let right: Vec<u32> = oracle::top(values, rows, effort.k)
            .iter()
            .map(|row| row.0)
            .collect();
        assert_eq!(found, right);
        rescored += certified.rescored;
    }
    let all_rows = rows.len() / queries[0].len() * queries.len();
    assert!(
        rescored * 20 < all_rows,
        "{rescored} of {all_rows} rows were rescored"
    );
}
