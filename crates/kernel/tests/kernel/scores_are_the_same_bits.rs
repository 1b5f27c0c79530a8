use proptest::prelude::*;
use vectra_kernel::{Query, VectorError, check_vector, oracle};

use crate::adversarial::vectors;

proptest! {
    #[test]
    fn whichever_of_the_two_is_the_query(vectors in vectors()) {
        let query = Query::new(vectors.query.clone()).unwrap();
        for row in 0..vectors.row_count() {
            let row = vectors.row(row);
            let swapped = Query::new(row.to_vec()).unwrap().score(&vectors.query);
            prop_assert_eq!(query.score(row).to_bits(), swapped.to_bits());
        }
    }

    #[test]
    fn on_every_thread(vectors in vectors()) {
        let query = Query::new(vectors.query.clone()).unwrap();
        let scores = || -> Vec<u32> {
            (0..vectors.row_count()).map(|row| query.score(vectors.row(row)).to_bits()).collect()
        };
        let here = scores();
        std::thread::scope(|scope| {
            let elsewhere: Vec<_> = (0..3).map(|_| scope.spawn(scores)).collect();
            for thread in elsewhere {
                assert_eq!(thread.join().unwrap(), here);
            }
        });
    }

    #[test]
    fn and_are_the_oracles_to_the_last_bit_or_the_one_beside_it(vectors in vectors()) {
        let query = Query::new(vectors.query.clone()).unwrap();
        for row in 0..vectors.row_count() {
            let row = vectors.row(row);
            let (score, right) = (query.score(row), oracle::cosine(&vectors.query, row));
            let rounded = right as f32;
            // Where products cancel, what float64 rounded away shows; it is below 1e-12.
            let near = (f64::from(score) - right).abs() < 1e-12;
            prop_assert!(
                near || (rounded.next_down()..=rounded.next_up()).contains(&score),
                "{score} is not {right}",
            );
            prop_assert!((-1.0..=1.0).contains(&score));
        }
    }
}

#[test]
fn a_vector_and_itself_score_one_and_its_opposite_minus_one() {
    for values in [
        vec![f32::MAX; 4096],
        vec![f32::from_bits(1); 7],
        vec![0.1, 0.2, 0.3],
    ] {
        let opposite: Vec<f32> = values.iter().map(|value| -value).collect();
        let query = Query::new(values.clone()).unwrap();
        assert_eq!(query.score(&values), 1.0);
        assert_eq!(query.score(&opposite), -1.0);
    }
}

#[test]
fn a_score_of_zero_has_no_sign() {
    let query = Query::new(vec![-1.0, 0.0]).unwrap();
    // Negative, and too small for a float32.
    assert_eq!(
        query.score(&[f32::from_bits(1), f32::MAX]).to_bits(),
        0.0f32.to_bits()
    );
    assert_eq!(query.score(&[0.0, 1.0]).to_bits(), 0.0f32.to_bits());
    assert_eq!(query.score(&[0.0, -1.0]).to_bits(), 0.0f32.to_bits());
    assert_eq!(query.score(&[0.0, 0.0]).to_bits(), 0.0f32.to_bits());
}

#[test]
fn values_without_a_direction_are_refused() {
    assert_eq!(check_vector(&[]), Err(VectorError::Empty));
    assert_eq!(
        check_vector(&[1.0, f32::NAN]),
        Err(VectorError::NotFinite { index: 1 })
    );
    assert_eq!(
        check_vector(&[f32::NEG_INFINITY, 1.0]),
        Err(VectorError::NotFinite { index: 0 })
    );
    assert_eq!(check_vector(&[0.0, -0.0]), Err(VectorError::Zero));
    assert_eq!(check_vector(&[0.0, f32::from_bits(1)]), Ok(()));
    assert_eq!(Query::new(vec![0.0]), Err(VectorError::Zero));
}
