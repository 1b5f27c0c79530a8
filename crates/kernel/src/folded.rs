use crate::rounding::nearest_code;
use crate::split::{Split, norm};

/// A query against the codes of one segment: the segment's scales folded in, quantised to int8, and
/// with it the bound on how far an integer score can be from the exact cosine.
///
/// # Where the bound comes from
///
/// Let u be the query and n a row, both L2-normalised; d what the row's codes c stand for,
/// dᵢ = cᵢ·αᵢ/127; and e = n − d the row's residual. Folding gives wᵢ = uᵢ·αᵢ/127, quantised to
/// wᵢ ≈ s·zᵢ with whole zᵢ in ±127 and s = max |wᵢ| / 127. The codes z stand for the query
/// ûᵢ = 127·s·zᵢ/αᵢ, and g = u − û is its residual. With the integer score S = Σ zᵢ·cᵢ, which is
/// exact,
///
/// ```text
/// u·n = û·d + û·e + g·n = s·S + û·e + g·n
/// ```
///
/// without anything left out. Two terms need a bound.
///
/// * û·e: a row's residual is in a box, |eᵢ| ≤ αᵢ/254, and in a ball, ‖e‖ ≤ R, the segment's
///   residual norm. For any t, û·e = t·e + (û − t)·e ≤ ‖t‖·R + Σ |ûᵢ − tᵢ|·αᵢ/254, and `Split`
///   looks for the t that makes this smallest.
/// * g·n: a row is in a box too, |nᵢ| ≤ αᵢ, so g is split likewise, g·n ≤ t·n + Σ |gᵢ − tᵢ|·αᵢ.
///   And n is a unit vector whose cosine with u is the very thing looked for: with θ their angle,
///   β = t·u, and t⊥ the part of t across u, |t·n − β·cos θ| ≤ ‖t⊥‖·sin θ. Near the query, where
///   the answers are, sin θ is small.
///
/// Together, with E the sum of the two sums, (1 − β)·cos θ − ‖t⊥‖·sin θ ≤ s·S + E, and the largest
/// cos θ that allows is the upper bound; the lower one is its mirror image.
///
/// # What float64 adds
///
/// With ε = (dimension + 64)·2⁻⁵³, every sum over the dimensions is within ε of itself, as are the
/// normalised values; ‖u‖ = ‖n‖ = 1, ‖û‖ ≤ 2 and ‖g‖ ≤ 1 (a code that is not 0 is within a factor 2
/// of what it stands for), R ≤ 1 + ε. Adding up, s·S + E is within 32·ε, so is ‖t⊥‖, and the cosine
/// as [`Query::score`](crate::Query::score) computes it is within 4·ε of the real one. The bounds
/// add 64·ε to each: 3·10⁻¹² in 384 dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldedQuery {
    codes: Vec<i8>,
    /// s: what an integer score of 1 is worth.
    scale: f64,
    /// E, with the slack of float64.
    error: f64,
    /// 1 − β.
    along: f64,
    /// ‖t⊥‖, with the slack of float64.
    across: f64,
    slack: f64,
}

impl FoldedQuery {
    /// Folds a normalised query into the scales of a segment with this residual norm.
    pub(crate) fn new(unit: &[f64], alphas: &[f32], residual_norm: f32) -> Self {
        let alphas: Vec<f64> = alphas.iter().map(|&alpha| f64::from(alpha)).collect();
        let folded = || unit.iter().zip(&alphas).map(|(u, alpha)| u * alpha / 127.0);
        let largest = folded().fold(0.0, |largest: f64, w| largest.max(w.abs()));
        let steps_per_unit = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        let scale = largest / 127.0;
        let rounded: Vec<f64> = folded().map(|w| nearest_code(w * steps_per_unit)).collect();

        let stands_for = |(z, alpha): (&f64, &f64)| {
            if *z == 0.0 {
                0.0
            } else {
                127.0 * scale * z / alpha
            }
        };
        let decoded: Vec<f64> = rounded.iter().zip(&alphas).map(stands_for).collect();
        let residual: Vec<f64> = unit
            .iter()
            .zip(&decoded)
            .map(|(u, decoded)| u - decoded)
            .collect();

        let half_steps: Vec<f64> = alphas.iter().map(|alpha| alpha / 254.0).collect();
        let rows_error = Split::tightest(&decoded, &half_steps, f64::from(residual_norm));
        let query_error = Split::tightest(&residual, &alphas, 1.0);
        let in_ball = query_error.in_ball(&residual, &alphas);
        let along: f64 = in_ball.iter().zip(unit).map(|(t, u)| t * u).sum();
        let across = norm(in_ball.iter().zip(unit).map(|(t, u)| t - along * u));

        let slack = 32.0 * (unit.len() + 64) as f64 * f64::EPSILON;
        Self {
            codes: rounded.iter().map(|&z| z as i8).collect(),
            scale,
            error: rows_error.total() + query_error.box_part + slack,
            along: 1.0 - along,
            across: across + slack,
            slack,
        }
    }

    /// The int8 query, as long as a row.
    pub(crate) fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// What no row with this integer score exceeds, neither its real cosine with the query nor the
    /// float32 that [`Query::score`](crate::Query::score) gives for it. Grows with the score.
    #[must_use]
    pub fn upper(&self, score: i32) -> f64 {
        let reached = self.scale * f64::from(score) + self.error;
        outward(self.largest_cosine(reached) + self.slack, f64::max)
    }

    /// What no row with this integer score falls below, in the sense of [`upper`](Self::upper).
    #[must_use]
    pub fn lower(&self, score: i32) -> f64 {
        let reached = self.scale * f64::from(score) - self.error;
        outward(-self.largest_cosine(-reached) - self.slack, f64::min)
    }

    /// The smallest integer score whose [`upper`](Self::upper) is at least `exact`: every row that
    /// scores less is proven to have a lower [`Query::score`](crate::Query::score) than `exact`,
    /// and every row that could tie with it is at or above.
    #[must_use]
    pub fn floor_for(&self, exact: f32) -> i32 {
        let exact = f64::from(exact);
        // No integer score leaves ±limit. `upper` grows with the score, so halve.
        let limit = (self.codes.len() * 127 * 128) as i32;
        let (mut low, mut high) = (-limit, limit + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.upper(middle) >= exact {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The largest cos θ, θ in 0…π, with along·cos θ − across·sin θ ≤ reached.
    ///
    /// The left side is r·cos(θ + φ) with r² = along² + across² and cos φ = along / r, so θ is
    /// arccos(reached / r) − φ, or 0 where that is negative.
    fn largest_cosine(&self, reached: f64) -> f64 {
        if reached >= self.along {
            return 1.0;
        }
        let r = (self.along * self.along + self.across * self.across).sqrt();
        let x = (reached / r).clamp(-1.0, 1.0);
        (x * self.along + ((1.0 - x) * (1.0 + x)).sqrt() * self.across) / r
    }
}

/// A bound on a cosine is made to bound its float32 rounding too.
fn outward(bound: f64, choose: fn(f64, f64) -> f64) -> f64 {
    choose(bound, f64::from(bound as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bound_between_two_float32_bounds_what_rounds_across_it() {
        let one_up = f64::from(1.0f32.next_up());
        let above_the_middle = 1.0 + 0.6 * (one_up - 1.0);
        assert_eq!(outward(above_the_middle, f64::max), one_up);
        assert_eq!(outward(above_the_middle, f64::min), above_the_middle);
        assert_eq!(outward(-above_the_middle, f64::min), -one_up);
    }

    proptest! {
        #[test]
        fn the_largest_cosine_is_the_largest_of_all_angles_allowed(
            along in -0.2f64..1.2,
            across in 1e-9f64..0.8,
            reached in -1.5f64..1.5,
        ) {
            let folded = FoldedQuery { codes: vec![1], scale: 1.0, error: 0.0, along, across, slack: 0.0 };
            let largest = folded.largest_cosine(reached);
            for step in 0..=2000 {
                let angle = std::f64::consts::PI * f64::from(step) / 2000.0;
                if along * angle.cos() - across * angle.sin() <= reached {
                    prop_assert!(angle.cos() <= largest + 1e-9, "{} above {largest}", angle.cos());
                }
            }
        }
    }
}
