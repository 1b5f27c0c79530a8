use proptest::prelude::*;
use vectra_kernel::{Query, oracle};

use crate::adversarial::{Vectors, vectors, widest_vectors};
use crate::clustered::clustered;
use crate::decaying::{decaying, staged};
use crate::laid_out::{LAYOUTS, LaidOut, Layout};

fn assert_every_row_is_within_its_bounds(vectors: &Vectors) {
    for layout in LAYOUTS {
        let laid_out = LaidOut::new(layout, vectors.dimension(), &vectors.rows);
        assert_bounds_hold(&laid_out, &vectors.query);
    }
}

fn assert_bounds_hold(laid_out: &LaidOut<'_>, values: &[f32]) {
    let query = Query::new(values.to_vec()).unwrap();
    let folded = query.fold(laid_out.codes());
    let scores = laid_out.scores(&folded);
    // Of the rows before it in the order of integer scores, the best cosine.
    let mut by_score: Vec<u32> = (0..scores.len() as u32).collect();
    by_score.sort_by_key(|&row| scores[row as usize]);
    let best_up_to: Vec<f32> = by_score
        .iter()
        .scan(f32::NEG_INFINITY, |best, &row| {
            *best = best.max(query.score(laid_out.vector(row)));
            Some(*best)
        })
        .collect();

    for (row, &score) in (0u32..).zip(&scores) {
        let vector = laid_out.vector(row);
        let exact = query.score(vector);
        let (lower, upper) = (folded.lower(score), folded.upper(score));
        for cosine in [f64::from(exact), oracle::cosine(values, vector)] {
            assert!(
                lower <= cosine && cosine <= upper,
                "row {row}: a cosine of {cosine} is outside {lower}…{upper} of the score {score}",
            );
        }
        let estimate = folded.estimate(score);
        assert!(lower <= estimate && estimate <= upper);

        let floor = folded.floor_for(exact);
        assert!(
            floor <= score,
            "row {row} with {score} is below the floor {floor} of its own cosine"
        );
        let lower_ones = by_score.partition_point(|&row| scores[row as usize] < floor);
        if let Some(best) = lower_ones.checked_sub(1).map(|last| best_up_to[last]) {
            assert!(best < exact, "{best} is below the floor {floor} of {exact}");
        }
        let below = folded.upper(floor - 1);
        assert!(
            below < f64::from(exact) || floor <= -limit(),
            "below the floor {floor} of {exact} is {below}"
        );
        // Nor is it needlessly low: up by what was rounded down, and some for float64.
        let just_above = folded.upper(floor + 3 + floor.abs() / (1 << 46));
        assert!(
            just_above + 1e-13 >= f64::from(exact.next_down()),
            "the floor {floor} of {exact} is too low by {just_above}"
        );
    }
}

/// No integer score is farther from 0.
fn limit() -> i64 {
    255 << 29
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn among_adversarial_vectors(vectors in vectors()) {
        assert_every_row_is_within_its_bounds(&vectors);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn in_the_most_dimensions(vectors in widest_vectors()) {
        assert_every_row_is_within_its_bounds(&vectors);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn among_vectors_that_are_arranged(set in decaying()) {
        let vectors = set.vectors();
        let laid_out = LaidOut::new(Layout::Arranged, set.dimension, &vectors.rows);
        for query in queries(&vectors) {
            assert_bounds_hold(&laid_out, &query);
        }
    }
}

#[test]
fn in_stages() {
    for set in staged() {
        let vectors = set.vectors();
        for layout in LAYOUTS {
            let laid_out = LaidOut::new(layout, set.dimension, &vectors.rows);
            assert_eq!(laid_out.is_in_stages(), matches!(layout, Layout::Arranged));
            for query in queries(&vectors) {
                assert_bounds_hold(&laid_out, &query);
            }
        }
    }
}

/// Like the rows, along one coordinate, and across many.
fn queries(vectors: &Vectors) -> [Vec<f32>; 4] {
    let dimension = vectors.dimension();
    let mut single = vec![0.0; dimension];
    single[dimension / 2] = 1e-38;
    let alternating = (0..dimension).map(|i| if i % 2 == 0 { 1e38 } else { -1e38 });
    let opposite = vectors.query.iter().map(|value| -value);
    [
        vectors.query.clone(),
        single,
        alternating.collect(),
        opposite.collect(),
    ]
}

#[test]
fn at_the_largest_sums_that_codes_can_make() {
    let ones = vec![1.0f32; 4096];
    let opposite = vec![-1.0f32; 4096];
    let vectors = Vectors {
        query: ones.clone(),
        rows: [ones, opposite].concat(),
    };
    assert_every_row_is_within_its_bounds(&vectors);
}

#[test]
fn where_the_query_lives_in_dimensions_that_no_row_has() {
    let rows = [1.0f32, 0.0, 0.0, 0.9, 0.1, 0.0].to_vec();
    assert_every_row_is_within_its_bounds(&Vectors {
        query: vec![0.0, 0.0, 5.0],
        rows: rows.clone(),
    });
    assert_every_row_is_within_its_bounds(&Vectors {
        query: vec![1e-30, 0.0, 5.0],
        rows,
    });
}

#[test]
fn where_the_centre_is_far_longer_than_any_row() {
    // Every coordinate ranges from 0 to 1, so the centre's norm is √2048 / 2.
    let dimension = 2048;
    let mut rows = vec![0.0f32; dimension * dimension];
    (0..dimension).for_each(|i| rows[i * dimension + i] = 1.0);
    let query = (0..dimension).map(|i| 1.0 + i as f32).collect();
    assert_every_row_is_within_its_bounds(&Vectors { query, rows });
}

#[test]
fn where_rows_have_no_direction() {
    let mut rows = vec![0.0f32; 12];
    rows.extend([0.5, -0.5, 0.1, 0.2]);
    let query = vec![1.0, 2.0, -3.0, 0.5];
    assert_every_row_is_within_its_bounds(&Vectors { query, rows });
}

#[test]
fn and_the_bounds_are_narrow_where_vectors_are_ordinary() {
    let clustered = clustered(128, 16, 80, 5);
    let mut sets = vec![(clustered.rows, clustered.queries)];
    for set in staged() {
        let vectors = set.vectors();
        sets.push((vectors.rows, vec![vectors.query]));
    }
    for (rows, queries) in &sets {
        for layout in LAYOUTS {
            let laid_out = LaidOut::new(layout, queries[0].len(), rows);
            for values in queries {
                let folded = laid_out.fold(values);
                for score in laid_out.scores(&folded) {
                    assert!(folded.upper(score) - folded.lower(score) < 0.05);
                    assert!(folded.upper(score) <= folded.upper(score + 1));
                }
            }
        }
    }
}
