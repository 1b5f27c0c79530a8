use proptest::prelude::*;
use vectra_kernel::{QuantizedRows, Query, oracle, scan_above};

use crate::adversarial::{Vectors, vectors, widest_vectors};
use crate::clustered::clustered;

fn assert_every_row_is_within_its_bounds(vectors: &Vectors) {
    let query = Query::new(vectors.query.clone()).unwrap();
    let quantized = QuantizedRows::quantize(vectors.dimension(), &vectors.rows);
    let folded = query.fold(quantized.as_codes());
    let mut all = Vec::new();
    scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
    assert_eq!(all.len(), vectors.row_count());

    for (score, row) in all {
        let vector = vectors.row(row as usize);
        let (lower, upper) = (folded.lower(score), folded.upper(score));
        for cosine in [
            f64::from(query.score(vector)),
            oracle::cosine(&vectors.query, vector),
        ] {
            assert!(
                lower <= cosine && cosine <= upper,
                "row {row}: a cosine of {cosine} is outside {lower}…{upper} of the score {score}",
            );
        }
        let exact = query.score(vector);
        let floor = folded.floor_for(exact);
        assert!(
            floor <= score,
            "row {row} with {score} is below the floor {floor} of its own cosine"
        );
        assert!(folded.upper(floor) >= f64::from(exact) || floor > score);
        assert!(folded.upper(floor - 1) < f64::from(exact) || floor <= -limit(vectors));
    }
}

/// No integer score is farther from 0.
fn limit(vectors: &Vectors) -> i32 {
    (vectors.dimension() * 127 * 128) as i32
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
fn and_the_bounds_are_narrow_where_vectors_are_ordinary() {
    let set = clustered(128, 16, 60, 5);
    let quantized = QuantizedRows::quantize(set.dimension, &set.rows);
    for values in &set.queries {
        let folded = Query::new(values.clone())
            .unwrap()
            .fold(quantized.as_codes());
        let mut all = Vec::new();
        scan_above(quantized.as_codes(), &folded, i32::MIN, |_| true, &mut all);
        for (score, _) in all {
            assert!(folded.upper(score) - folded.lower(score) < 0.05);
            assert!(folded.upper(score) <= folded.upper(score + 1));
        }
    }
}
