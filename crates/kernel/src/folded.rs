use crate::Frame;
use crate::blocks::{GROUP_DIMENSIONS, groups};
use crate::rounding::nearest_code;

/// A query against the codes of one segment: rotated and scaled like them, quantised to int8 twice, and
/// with it the bounds on how far an integer score can be from the exact cosine.
///
/// # Where the bounds come from
///
/// Let u be the query and n a row, both L2-normalised, V the frame's rotation, p = V·u the rotated
/// query and y = V·n − c the row's coordinates, as computed. Were V orthogonal and the arithmetic
/// exact, u·n = p·c + p·y; with F = ‖VᵀV − 1‖ and δ the most that rounding moves a rotated unit
/// vector, u·n is within F + 2.2·δ of that.
///
/// The row's codes C stand for d, dᵢ = Cᵢ·αᵢ/127, with the residual e = y − d. Folding gives wᵢ =
/// pᵢ·αᵢ/127, quantised to wᵢ ≈ sᵢ·zᵢ with whole zᵢ in ±127 and a scale s that a range of dimensions
/// shares; what is left of wᵢ is quantised once more, to sᵢ/254·lᵢ. Over the dimensions of the first
/// stages, up to P,
///
/// ```text
/// Σ pᵢ·yᵢ = Σ wᵢ·Cᵢ + Σ pᵢ·eᵢ,   Σ wᵢ·Cᵢ = Σ sᵢ·zᵢ·Cᵢ + Σ gᵢ·Cᵢ
/// ```
///
/// where the sum with z is an integer times the scale of the last of these ranges, the scales being
/// powers of two apart. Cauchy and Schwarz bound what is left: |Σ gᵢ·Cᵢ| ≤ ‖g‖·‖C‖, where the frame
/// has the largest ‖C‖ of all rows up to P. For |Σ pᵢ·eᵢ| a residual is in a ball, ‖e‖ ≤ R, and in a
/// box, |eᵢ| ≤ αᵢ/254: the least of ‖p‖·R, of Σ|pᵢ|·αᵢ/254, and of the box for the first four
/// dimensions with the ball for the others.
///
/// Beyond P, Σ pᵢ·yᵢ ≤ ‖p_{≥P}‖·‖y_{≥P}‖, of which the frame has the largest of each block.
///
/// # What float64 adds
///
/// With ε = (dimension + 64)·2⁻⁵³ every sum over the dimensions is within 4·ε of itself, and none
/// exceeds 4 (unit vectors and differences of two), but for p·c with a centre that is the middle of each
/// dimension's range, whose norm can be √dimension/2, that is 32. Each bound here has 128·ε added, which
/// covers a dozen of the former and the latter.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldedQuery {
    /// p·c.
    constant: f64,
    /// What an integer score of 1 is worth: the finest scale / 254.
    unit: f64,
    /// How far the whole integer score, with both quantisations, can be from the cosine.
    error: f64,
    stages: Vec<FoldedStage>,
    /// z and l, filled up with zeros to whole groups.
    coarse: Vec<i8>,
    fine: Vec<i8>,
    /// What the stored bytes (code + 128) add to the whole sum with l.
    fine_offset: i64,
}

/// What is known of a row's score at the end of a stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoldedStage {
    /// s: what 1 in the sum with z is worth.
    pub(crate) scale: f64,
    /// What the stored bytes (code + 128) add to it.
    pub(crate) offset: i64,
    /// ‖p_{≥P}‖.
    pub(crate) tail: f64,
    /// How far constant + s·sum can be from what the dimensions up to P add to the cosine.
    pub(crate) error: f64,
}

/// The second quantisation has so many steps to one of the first.
const FINER: f64 = 254.0;

impl FoldedQuery {
    /// Folds a normalised query into a frame.
    pub(crate) fn new(unit: &[f64], frame: &Frame) -> Self {
        let (rotated, moved) = rotate(unit, frame);
        let slack = 64.0 * (frame.dimension + 64) as f64 * f64::EPSILON;

        let padded = groups(frame.dimension) * GROUP_DIMENSIONS;
        let mut folded = Self {
            constant: rotated
                .iter()
                .zip(&frame.centre)
                .map(|(p, &c)| p * f64::from(c))
                .sum(),
            unit: 0.0,
            error: 0.0,
            stages: Vec::with_capacity(frame.stages.len()),
            coarse: vec![0; padded],
            fine: vec![0; padded],
            fine_offset: 0,
        };
        let weights: Vec<f64> = rotated
            .iter()
            .zip(&frame.alphas)
            .map(|(p, &alpha)| p * f64::from(alpha) / 127.0)
            .collect();
        let mut scale = first_scale(frame, &weights);

        let mut left: f64 = rotated.iter().map(|p| p * p).sum();
        let mut sums = Sums::default();
        let (mut offset, mut fine_offset) = (0i64, 0i64);
        let mut stages = frame.stages.iter();
        for (number, range) in frame.ranges().enumerate() {
            scale /= f64::from(1u32 << range.shift);
            let (mut coarse_sum, mut fine_sum) = (0i64, 0i64);
            // Codes may be off by what these reciprocals are: what is left over is computed from them.
            let (per_scale, finer) = (1.0 / scale, FINER / scale);
            for i in range.dimensions {
                let (p, w) = (rotated[i], weights[i]);
                let coarse = nearest_code(w * per_scale);
                let rest = w - coarse * scale;
                let fine = nearest_code(rest * finer);
                let rest_of_rest = rest - fine * (scale / FINER);
                folded.coarse[i] = coarse as i8;
                folded.fine[i] = fine as i8;
                coarse_sum += coarse as i64;
                fine_sum += fine as i64;
                left -= p * p;
                sums.add(
                    number == 0,
                    p,
                    f64::from(frame.alphas[i]),
                    rest,
                    rest_of_rest,
                );
            }
            offset = (offset << range.shift) + 128 * coarse_sum;
            fine_offset = (fine_offset << range.shift) + 128 * fine_sum;
            // The first group is a range, but no stage.
            if number == 0 {
                continue;
            }
            let Some(stage) = stages.next() else { break };
            let rows_error = sums.rows_error(f64::from(stage.residual_norm)) + moved + slack;
            let code_norm = f64::from(stage.code_norm);
            folded.stages.push(FoldedStage {
                scale,
                offset,
                // Rounding may have taken a little too much away.
                tail: (left.max(0.0) + slack).sqrt() * (1.0 + slack),
                error: rows_error + sums.rest.sqrt() * code_norm,
            });
            folded.error = rows_error + sums.rest_of_rest.sqrt() * code_norm;
        }
        folded.unit = scale / FINER;
        folded.fine_offset = fine_offset;
        folded
    }

    /// The int8 query, as long as a row filled up to whole groups.
    pub(crate) fn coarse(&self) -> &[i8] {
        &self.coarse
    }

    /// What the int8 query leaves over, in 1/254 of its steps.
    pub(crate) fn fine(&self) -> &[i8] {
        &self.fine
    }

    pub(crate) fn fine_offset(&self) -> i64 {
        self.fine_offset
    }

    pub(crate) fn stages(&self) -> &[FoldedStage] {
        &self.stages
    }

    /// The whole integer score, from the two sums of a row, without what stored bytes add.
    pub(crate) fn whole(coarse: i64, fine: i64) -> i64 {
        coarse * FINER as i64 + fine
    }

    /// The cosine that an integer score stands for.
    #[must_use]
    pub fn estimate(&self, score: i64) -> f64 {
        self.constant + self.unit * score as f64
    }

    /// How far a cosine can be from the [`estimate`](Self::estimate) of its integer score.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.error
    }

    /// What the first stage alone says of the cosine of a row with this sum of products, what stored bytes
    /// add included.
    pub(crate) fn first_estimate(&self, sum: i32) -> f64 {
        let first = self.stages.first();
        first.map_or(self.constant, |stage| {
            self.constant + stage.scale * (i64::from(sum) - stage.offset) as f64
        })
    }

    pub(crate) fn constant(&self) -> f64 {
        self.constant
    }

    /// What no row with this integer score exceeds, neither its real cosine with the query nor the
    /// float32 that [`Query::score`](crate::Query::score) gives for it. Grows with the score.
    #[must_use]
    pub fn upper(&self, score: i64) -> f64 {
        outward(self.estimate(score) + self.error, f64::max)
    }

    /// What no row with this integer score falls below, in the sense of [`upper`](Self::upper).
    #[must_use]
    pub fn lower(&self, score: i64) -> f64 {
        outward(self.estimate(score) - self.error, f64::min)
    }

    /// An integer score below which every row is proven to have a lower
    /// [`Query::score`](crate::Query::score) than `exact`: every row that could tie with it is at or
    /// above. No score is farther than 2⁵⁰ from 0, and nor is this by more than a few.
    #[must_use]
    pub fn floor_for(&self, exact: f32) -> i64 {
        const FARTHEST: f64 = (1u64 << 50) as f64;
        // A little lower, for the rounding of numbers near 1 here and in `upper`.
        let lowest = lowest_rounded_to(exact) - 16.0 * f64::EPSILON;
        let reached = (lowest - self.error - self.constant) / self.unit;
        // One less, for the rounding of these few operations; a float that far from 0 has no units.
        (reached.clamp(-FARTHEST, FARTHEST).floor() as i64)
            - 1
            - (reached.abs().min(FARTHEST) * 1e-14) as i64
    }
}

/// Sums over the dimensions so far.
#[derive(Default)]
struct Sums {
    /// Squares of p: of the first four dimensions, and of the others.
    lead_squares: f64,
    squares: f64,
    /// Σ|pᵢ|·αᵢ/254, likewise.
    lead_box: f64,
    others_box: f64,
    rest: f64,
    rest_of_rest: f64,
}

impl Sums {
    fn add(&mut self, is_lead: bool, p: f64, alpha: f64, rest: f64, rest_of_rest: f64) {
        let in_box = p.abs() * alpha / 254.0;
        if is_lead {
            self.lead_squares += p * p;
            self.lead_box += in_box;
        } else {
            self.squares += p * p;
            self.others_box += in_box;
        }
        self.rest += rest * rest;
        self.rest_of_rest += rest_of_rest * rest_of_rest;
    }

    fn rows_error(&self, residual_norm: f64) -> f64 {
        let ball = (self.lead_squares + self.squares).sqrt() * residual_norm;
        let mixed = self.lead_box + self.squares.sqrt() * residual_norm;
        ball.min(mixed).min(self.lead_box + self.others_box)
    }
}

/// p, and how far an inner product with a row can be from that of the vectors before rotation.
fn rotate(unit: &[f64], frame: &Frame) -> (Vec<f64>, f64) {
    let Some(rotation) = &frame.rotation else {
        return (unit.to_vec(), 0.0);
    };
    let single: Vec<f32> = unit.iter().map(|&value| value as f32).collect();
    let mut rotated = vec![0.0f32; single.len()];
    rotation.apply(&single, &mut rotated);
    let moved = f64::from(rotation.defect()) + 2.2 * rotation.error();
    (rotated.into_iter().map(f64::from).collect(), moved)
}

/// The scale of the first range, such that no weight of any range leaves ±127.
fn first_scale(frame: &Frame, weights: &[f64]) -> f64 {
    let mut finer = 1.0;
    let mut scale = 0.0f64;
    for range in frame.ranges() {
        finer *= f64::from(1u32 << range.shift);
        let largest = weights[range.dimensions]
            .iter()
            .fold(0.0, |largest: f64, w| largest.max(w.abs()));
        scale = scale.max(largest * finer / 127.0);
    }
    if scale > 0.0 { scale } else { 1.0 }
}

/// What float32 rounds to `exact` is not below this.
fn lowest_rounded_to(exact: f32) -> f64 {
    f64::midpoint(f64::from(exact), f64::from(exact.next_down()))
}

/// A bound on a cosine is made to bound its float32 rounding too.
fn outward(bound: f64, choose: fn(f64, f64) -> f64) -> f64 {
    choose(bound, f64::from(bound as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_between_two_float32_bounds_what_rounds_across_it() {
        let one_up = f64::from(1.0f32.next_up());
        let above_the_middle = 1.0 + 0.6 * (one_up - 1.0);
        assert_eq!(outward(above_the_middle, f64::max), one_up);
        assert_eq!(outward(above_the_middle, f64::min), above_the_middle);
        assert_eq!(outward(-above_the_middle, f64::min), -one_up);
    }
}
