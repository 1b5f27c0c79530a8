use proptest::prelude::*;
use vectra_kernel::QuantizedRows;

use crate::adversarial::vectors;

proptest! {
    #[test]
    fn each_value_within_half_a_step_and_each_row_within_the_residual_norm(vectors in vectors()) {
        let dimension = vectors.dimension();
        let quantized = QuantizedRows::quantize(dimension, &vectors.rows);
        prop_assert_eq!(quantized.rows(), vectors.row_count());
        for (row, codes) in quantized.codes().chunks_exact(dimension).enumerate() {
            let raw = vectors.row(row);
            let norm = raw.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let mut residual_squares = 0.0;
            for ((&value, &code), &alpha) in raw.iter().zip(codes).zip(quantized.alphas()) {
                let alpha = f64::from(alpha);
                let residual = f64::from(value) / norm - f64::from(code) * alpha / 127.0;
                prop_assert!(residual.abs() <= alpha / 254.0 * (1.0 + 1e-9));
                prop_assert!(code != i8::MIN);
                residual_squares += residual * residual;
            }
            prop_assert!(residual_squares.sqrt() <= f64::from(quantized.residual_norm()));
        }
    }

    #[test]
    fn each_scale_is_the_largest_magnitude_of_its_dimension(vectors in vectors()) {
        let dimension = vectors.dimension();
        let quantized = QuantizedRows::quantize(dimension, &vectors.rows);
        for (i, &alpha) in quantized.alphas().iter().enumerate() {
            let codes: Vec<i8> = quantized.codes().iter().skip(i).step_by(dimension).copied().collect();
            if alpha == 0.0 {
                prop_assert!(codes.iter().all(|&code| code == 0));
            } else if alpha > f32::MIN_POSITIVE {
                prop_assert!(codes.iter().any(|&code| code.unsigned_abs() == 127));
            }
        }
    }
}

#[test]
fn the_length_of_a_vector_does_not_change_its_codes() {
    let vector = [0.25f32, -0.5, 0.125, 0.75];
    let longer = vector.map(|value| value * 1024.0);
    let short = QuantizedRows::quantize(4, &vector);
    assert_eq!(short, QuantizedRows::quantize(4, &longer));
    assert_eq!(short.codes(), [127, -127, 127, 127]);
}

#[test]
fn codes_round_to_the_nearest_step() {
    // Both rows have norm 1, and α is (0.8, 0.8).
    let quantized = QuantizedRows::quantize(2, &[0.6, 0.8, 0.8, -0.6]);
    assert_eq!(quantized.codes(), [95, 127, 127, -95]);
}

#[test]
fn no_rows_have_no_codes() {
    let quantized = QuantizedRows::quantize(3, &[]);
    assert_eq!(quantized.rows(), 0);
    assert_eq!(quantized.alphas(), [0.0; 3]);
    assert!(quantized.as_codes().rows() == 0);
}
