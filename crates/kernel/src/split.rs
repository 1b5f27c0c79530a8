/// A bound on v·x for every x in a box, |xᵢ| ≤ bᵢ, and in a ball, ‖x‖ ≤ radius: v is split into t
/// and v − t with |tᵢ| = min(|vᵢ|, τ·bᵢ), where t·x ≤ ‖t‖·radius and (v − t)·x ≤ Σ |vᵢ − tᵢ|·bᵢ.
pub(crate) struct Split {
    /// τ.
    limit: f64,
    /// ‖t‖ · radius.
    ball_part: f64,
    /// Σ |vᵢ − tᵢ|·bᵢ.
    pub(crate) box_part: f64,
}

impl Split {
    /// The best of a few values of τ; each is a bound. The derivative of the sum by t vanishes at
    /// τ = ‖t‖ / radius, which repeated insertion approaches from above.
    pub(crate) fn tightest(values: &[f64], bounds: &[f64], radius: f64) -> Self {
        const INSERTIONS: usize = 8;
        let mut best = Self::at(0.0, values, bounds, radius);
        let mut limit = f64::MAX;
        for _ in 0..INSERTIONS {
            let split = Self::at(limit, values, bounds, radius);
            if radius == 0.0 || split.ball_part == 0.0 {
                return if split.total() < best.total() {
                    split
                } else {
                    best
                };
            }
            let next = split.ball_part / (radius * radius);
            if split.total() < best.total() {
                best = split;
            }
            if next >= limit {
                break;
            }
            limit = next;
        }
        best
    }

    fn at(limit: f64, values: &[f64], bounds: &[f64], radius: f64) -> Self {
        let mut squares = 0.0;
        let mut box_part = 0.0;
        for (value, bound) in values.iter().zip(bounds) {
            let magnitude = value.abs();
            let in_ball = magnitude.min(limit * bound);
            squares += in_ball * in_ball;
            box_part += (magnitude - in_ball) * bound;
        }
        Self {
            limit,
            ball_part: squares.sqrt() * radius,
            box_part,
        }
    }

    pub(crate) fn total(&self) -> f64 {
        self.ball_part + self.box_part
    }

    /// t.
    pub(crate) fn in_ball(&self, values: &[f64], bounds: &[f64]) -> Vec<f64> {
        let clipped =
            |(value, bound): (&f64, &f64)| value.abs().min(self.limit * bound).copysign(*value);
        values.iter().zip(bounds).map(clipped).collect()
    }
}

/// The L2 norm.
pub(crate) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_split_bounds_every_vector_in_its_box_and_ball(
            parts in prop::collection::vec((-1.0f64..1.0, 0.0f64..0.5, -1.0f64..1.0), 1..20),
            radius in 0.0f64..1.5,
        ) {
            let values: Vec<f64> = parts.iter().map(|part| part.0).collect();
            let bounds: Vec<f64> = parts.iter().map(|part| part.1).collect();
            let split = Split::tightest(&values, &bounds, radius);

            // The worst vector: along the values, as far as box and ball let it.
            let worst = |stretch: f64| values.iter().zip(&bounds).map(move |(value, bound)| {
                (stretch * value.abs()).min(*bound).copysign(*value)
            });
            let mut stretch = 1e6;
            while norm(worst(stretch)) > radius && stretch > 1e-9 {
                stretch *= 0.99;
            }
            let inner: f64 = worst(stretch).zip(&values).map(|(x, value)| x * value).sum();
            prop_assert!(inner <= split.total() * (1.0 + 1e-9) + 1e-9);
            prop_assert!(split.total() <= norm(values.iter().copied()) * radius * (1.0 + 1e-9));
            // It is no vain bound either.
            prop_assert!(split.total() <= inner * 1.2 + 1e-6, "{} for {inner}", split.total());
        }
    }
}
