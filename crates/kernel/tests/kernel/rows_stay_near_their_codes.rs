use proptest::prelude::*;
use vectra_kernel::{Frame, QuantizedRows, Rotation};

use crate::adversarial::{Vectors, vectors};
use crate::decaying::{decaying, staged};
use crate::laid_out::{LAYOUTS, LaidOut, Layout};

/// How far rotating in float32 may move a coordinate, or a row.
const ROTATED: f64 = 1e-5;

/// Every row's y, as the frame defines it, computed in float64.
fn coordinates(laid_out: &LaidOut<'_>) -> Vec<Vec<f64>> {
    let frame = laid_out.quantized.frame();
    let rows = laid_out.rows().map(|row| {
        let mut y = normalised(laid_out.vector(row as u32));
        if let Some(rotation) = &frame.rotation {
            y = rotated(rotation, &y);
        }
        let centre = frame.centre.iter();
        y.iter_mut()
            .zip(centre)
            .for_each(|(y, &c)| *y -= f64::from(c));
        y
    });
    rows.collect()
}

fn normalised(vector: &[f32]) -> Vec<f64> {
    let squares: f64 = vector.iter().map(|&value| f64::from(value).powi(2)).sum();
    let norm = if squares == 0.0 { 1.0 } else { squares.sqrt() };
    vector
        .iter()
        .map(|&value| f64::from(value) / norm)
        .collect()
}

fn rotated(rotation: &Rotation, row: &[f64]) -> Vec<f64> {
    let mut rotated = vec![0.0; row.len()];
    for (value, axis) in row.iter().zip(rotation.matrix().chunks_exact(row.len())) {
        for (to, &share) in rotated.iter_mut().zip(axis) {
            *to += value * f64::from(share);
        }
    }
    rotated
}

/// What float64 may add to a coordinate, or a norm, and float32 where rows were rotated.
fn rounding(frame: &Frame) -> f64 {
    match frame.rotation {
        Some(_) => ROTATED,
        None => (frame.dimension + 64) as f64 * f64::EPSILON,
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn assert_codes_are_near(laid_out: &LaidOut<'_>) {
    let quantized = &laid_out.quantized;
    let frame = quantized.frame();
    let rounding = rounding(frame);
    let codes = quantized.codes();
    let rows = coordinates(laid_out);
    let coded = || rows.iter().zip(codes.chunks_exact(frame.dimension));

    for (y, codes) in coded() {
        for (y, stands_for, alpha) in each(y, codes, frame) {
            let half_a_step = f64::from(alpha) / 254.0;
            assert!((y - stands_for).abs() <= half_a_step * (1.0 + 1e-9) + rounding);
        }
        assert!(codes.iter().all(|&code| code != i8::MIN));
    }
    for (i, &alpha) in frame.alphas.iter().enumerate() {
        let largest = rows.iter().map(|y| y[i].abs()).fold(0.0, f64::max);
        let alpha = f64::from(alpha);
        assert!(
            largest <= alpha + rounding,
            "{largest} in dimension {i}, α {alpha}"
        );
        let rounded_up = largest * (1.0 + f64::from(f32::EPSILON)) + f64::from(f32::from_bits(1));
        assert!(
            alpha <= rounded_up + rounding,
            "{largest} in dimension {i}, α {alpha}"
        );
        let mut in_dimension = codes.iter().skip(i).step_by(frame.dimension);
        if alpha == 0.0 {
            assert!(in_dimension.all(|&code| code == 0));
        } else if alpha > f64::from(f32::MIN_POSITIVE) {
            assert!(in_dimension.any(|&code| code.unsigned_abs() == 127));
        }
    }

    for stage in &frame.stages {
        let residuals = coded().map(|(y, codes)| {
            norm(
                each(y, codes, frame)
                    .take(stage.end)
                    .map(|(y, stands_for, _)| y - stands_for),
            )
        });
        let beyond_float64 = if frame.rotation.is_some() {
            ROTATED
        } else {
            0.0
        };
        assert_is_the_largest(residuals, stage.residual_norm, beyond_float64);
        let code_norms =
            coded().map(|(_, codes)| norm(codes[..stage.end].iter().map(|&code| f64::from(code))));
        assert_is_the_largest(code_norms, stage.code_norm, 0.0);
        for (rows, &tail) in rows.chunks(16).zip(&stage.tails) {
            let beyond = rows.iter().map(|y| norm(y[stage.end..].iter().copied()));
            assert_is_the_largest(beyond, tail, ROTATED);
        }
    }
}

/// y, what the code stands for, and α, by dimension.
fn each<'a>(
    y: &'a [f64],
    codes: &'a [i8],
    frame: &'a Frame,
) -> impl Iterator<Item = (f64, f64, f32)> {
    y.iter()
        .zip(codes)
        .zip(&frame.alphas)
        .map(|((&y, &code), &alpha)| (y, f64::from(code) * f64::from(alpha) / 127.0, alpha))
}

/// No norm is above the bound, but for what rotating adds, and one is about there.
fn assert_is_the_largest(norms: impl Iterator<Item = f64>, bound: f32, rotating: f64) {
    let largest = norms.fold(0.0, f64::max);
    let bound = f64::from(bound);
    assert!(largest <= bound + rotating, "{largest} is above {bound}");
    assert!(
        bound <= largest * (1.0 + 1e-6) + rotating + 1e-10,
        "{largest} is far below {bound}"
    );
}

proptest! {
    #[test]
    fn each_value_within_half_a_step_and_each_row_within_the_norms(vectors in vectors()) {
        for layout in LAYOUTS {
            assert_codes_are_near(&LaidOut::new(layout, vectors.dimension(), &vectors.rows));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn and_where_rows_are_arranged(set in decaying()) {
        let rows = set.vectors().rows;
        assert_codes_are_near(&LaidOut::new(Layout::Arranged, set.dimension, &rows));
    }
}

#[test]
fn and_in_stages_each_of_which_leaves_less_behind() {
    for set in staged() {
        let Vectors { rows, .. } = set.vectors();
        let laid_out = LaidOut::new(Layout::Arranged, set.dimension, &rows);
        assert!(laid_out.is_in_stages());
        assert_codes_are_near(&laid_out);
        let stages = &laid_out.quantized.frame().stages;
        for (stage, next) in stages.iter().zip(&stages[1..]) {
            assert!(stage.residual_norm <= next.residual_norm);
            assert!(stage.code_norm <= next.code_norm);
            let mut tails = stage.tails.iter().zip(&next.tails);
            assert!(tails.all(|(tail, next)| next <= tail));
        }
    }
}

#[test]
fn the_centre_is_the_middle_of_each_dimensions_range() {
    let rows = [1.0f32, 0.0, 0.0, 1.0, 0.6, -0.8];
    let quantized = QuantizedRows::quantize(2, &rows);
    let frame = quantized.frame();
    assert_eq!(frame.centre, [0.5, (0.1f64 + 1e-9) as f32]);
    assert_eq!(frame.alphas[0], 0.5);
    assert_eq!(quantized.codes(), [127, -14, -127, 127, 25, -127]);
    assert!(frame.rotation.is_none() && frame.leaves.is_none());
    assert_eq!(frame.stages.len(), 1);
}

#[test]
fn the_length_of_a_vector_does_not_change_its_codes() {
    let vectors = [
        0.25f32, -0.5, 0.125, 0.75, 0.1, 0.2, -0.7, 0.3, -0.3, 0.0, 0.2, 0.9,
    ];
    let longer = vectors.map(|value| value * 1024.0);
    let short = QuantizedRows::quantize(4, &vectors);
    assert_eq!(short, QuantizedRows::quantize(4, &longer));
    // One row is its own centre, up to float32.
    let single = QuantizedRows::quantize(4, &vectors[..4]);
    assert!(single.frame().alphas.iter().all(|&alpha| alpha < 1e-7));
}

#[test]
fn codes_round_to_the_nearest_step() {
    // Rows have norm 1; the centre is (0, 0.1) and α is (0.8, 0.7).
    let quantized = QuantizedRows::quantize(2, &[0.6, 0.8, 0.8, -0.6, -0.8, 0.6]);
    assert_eq!(quantized.codes(), [95, 127, 127, -127, -127, 91]);
}

#[test]
fn no_rows_have_no_codes() {
    let (arranged, order) = QuantizedRows::arrange(3, &[]);
    assert_eq!(order, []);
    for quantized in [QuantizedRows::quantize(3, &[]), arranged] {
        assert_eq!(quantized.rows(), 0);
        assert_eq!(quantized.frame().alphas, [0.0; 3]);
        assert_eq!(quantized.frame().centre, [0.0; 3]);
        assert_eq!(quantized.frame().check(), Ok(()));
        assert!(quantized.as_codes().rows() == 0);
    }
}
