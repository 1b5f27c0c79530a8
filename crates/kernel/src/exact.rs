//! Sums of float32 products in float64, in one fixed order.
//!
//! A product of two float32 values is exact in float64 (48 of 53 bits, and the exponents fit: the
//! smallest is 2⁻²⁹⁸, the largest below 2²⁵⁶). So only the additions round, and they happen in the
//! order written here on every CPU: eight interleaved partial sums, then a fixed tree. The compiler
//! may put the eight in vector registers, but may neither reorder additions nor fuse them with the
//! products, as Rust has no such relaxation.

const STRIPES: usize = 8;

/// Σ aᵢ·bᵢ and Σ bᵢ·bᵢ of two slices of one length.
pub(crate) fn inner_and_squares(a: &[f32], b: &[f32]) -> (f64, f64) {
    let mut inner = [0.0f64; STRIPES];
    let mut squares = [0.0f64; STRIPES];
    let (a_blocks, a_rest) = a.as_chunks::<STRIPES>();
    let (b_blocks, b_rest) = b.as_chunks::<STRIPES>();
    for (a_block, b_block) in a_blocks.iter().zip(b_blocks) {
        for stripe in 0..STRIPES {
            let (x, y) = (f64::from(a_block[stripe]), f64::from(b_block[stripe]));
            inner[stripe] += x * y;
            squares[stripe] += y * y;
        }
    }
    for (stripe, (&x, &y)) in a_rest.iter().zip(b_rest).enumerate() {
        let (x, y) = (f64::from(x), f64::from(y));
        inner[stripe] += x * y;
        squares[stripe] += y * y;
    }
    (reduce(inner), reduce(squares))
}

/// Σ aᵢ·aᵢ, the same bits as the second sum of [`inner_and_squares`].
#[inline(always)]
pub(crate) fn squares(a: &[f32]) -> f64 {
    let mut sums = [0.0f64; STRIPES];
    let (blocks, rest) = a.as_chunks::<STRIPES>();
    for block in blocks {
        for stripe in 0..STRIPES {
            let x = f64::from(block[stripe]);
            sums[stripe] += x * x;
        }
    }
    for (stripe, &x) in rest.iter().enumerate() {
        let x = f64::from(x);
        sums[stripe] += x * x;
    }
    reduce(sums)
}

/// The fixed tree that ends a striped sum.
#[inline(always)]
pub(crate) fn reduce(s: [f64; STRIPES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_squares_is_the_same_bits_alone_and_beside_an_inner_product() {
        let values: Vec<f32> = (0..391)
            .map(|i| ((i * 7919) % 1013) as f32 / 17.0 - 3.0)
            .collect();
        for length in 0..values.len() {
            let part = &values[..length];
            let (inner, beside) = inner_and_squares(part, part);
            assert_eq!(inner.to_bits(), beside.to_bits());
            assert_eq!(squares(part).to_bits(), beside.to_bits());
        }
    }

    /// The order is a promise: replicas of two versions must agree to the bit.
    #[test]
    fn additions_happen_in_the_order_written_down() {
        let value =
            |i: usize| (((i * 7919) % 1013) as f32 / 17.0 - 30.0) * 1.7f32.powi(i as i32 % 31);
        let a: Vec<f32> = (0..389).map(value).collect();
        let b: Vec<f32> = (1000..1389).map(value).collect();
        let mut stripes = [0.0f64; 8];
        for (i, (&x, &y)) in a.iter().zip(&b).enumerate() {
            stripes[i % 8] += f64::from(x) * f64::from(y);
        }
        let [s0, s1, s2, s3, s4, s5, s6, s7] = stripes;
        let expected = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7));
        assert_eq!(inner_and_squares(&a, &b).0.to_bits(), expected.to_bits());
        let in_a_row: f64 = a
            .iter()
            .zip(&b)
            .map(|(&x, &y)| f64::from(x) * f64::from(y))
            .sum();
        assert_ne!(
            in_a_row.to_bits(),
            expected.to_bits(),
            "these values do not tell orders apart"
        );
    }

    #[test]
    fn the_extremes_of_float32_neither_overflow_nor_vanish() {
        let smallest = f32::from_bits(1);
        assert!(squares(&[smallest]) > 0.0);
        assert!(squares(&[f32::MAX; 4096]).is_finite());
        assert!(inner_and_squares(&[smallest], &[f32::MIN_POSITIVE]).0 > 0.0);
    }
}
