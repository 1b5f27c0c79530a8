use nalgebra::{DMatrix, DMatrixView, Dyn, SymmetricEigen};

use crate::arch::rotate;
use crate::rounding::up_to_f32;

/// An orthogonal change of coordinates, up to rounding, after which the first dimensions carry as
/// much of the rows as any could: the principal axes of their second moments, not centred.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    dimension: usize,
    /// Row j is what axis j becomes.
    matrix: Vec<f32>,
    defect: f32,
}

/// The most dimensions that are rotated: rotating a row takes dimension² multiplications, and finding
/// the axes dimension³.
pub(crate) const MOST_ROTATED: usize = 512;

/// Unit roundoff of float32.
const U: f64 = f32::EPSILON as f64 / 2.0;

impl Rotation {
    /// The principal axes of some L2-normalised rows, by descending share of their squares. `None`
    /// if they cannot be found, as for rows that are all zero.
    pub(crate) fn principal(dimension: usize, rows: &[f32]) -> Option<Self> {
        let count = rows.len() / dimension;
        let columns = DMatrixView::from_slice(rows, dimension, count);
        // The same memory, transposed.
        let lines: DMatrixView<'_, f32, Dyn, Dyn> =
            DMatrixView::from_slice_with_strides(rows, count, dimension, dimension, 1);
        let mut moments = DMatrix::zeros(dimension, dimension);
        moments.gemm(1.0, &columns, &lines, 0.0);
        let moments = moments.map(f64::from);
        let trace = moments.trace();
        if !trace.is_finite() || trace <= 0.0 {
            return None;
        }
        let eigen = SymmetricEigen::try_new(moments, f64::EPSILON, 60 * dimension)?;
        let mut order: Vec<usize> = (0..dimension).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));

        let mut matrix = vec![0.0f32; dimension * dimension];
        for (to, &axis) in order.iter().enumerate() {
            for (from, &share) in eigen.eigenvectors.column(axis).iter().enumerate() {
                matrix[from * dimension + to] = share as f32;
            }
        }
        let defect = defect(dimension, &matrix)?;
        // Farther from orthogonal than rounding explains: not the axes.
        (defect < 1e-3).then_some(Self {
            dimension,
            matrix,
            defect,
        })
    }

    /// A rotation that [`Rotation::matrix`] and [`Rotation::defect`] once described; `None` if the
    /// matrix is not dimension × dimension.
    #[must_use]
    pub fn from_parts(dimension: usize, matrix: Vec<f32>, defect: f32) -> Option<Self> {
        (Some(matrix.len()) == dimension.checked_mul(dimension)).then_some(Self {
            dimension,
            matrix,
            defect,
        })
    }

    /// V, transposed: row j is what axis j becomes.
    #[must_use]
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// ‖VᵀV − 1‖ in the Frobenius norm, rounded up: how far an inner product of two unit vectors can
    /// change because V is not quite orthogonal.
    #[must_use]
    pub fn defect(&self) -> f32 {
        self.defect
    }

    /// Rotates rows of at most unit norm; what comes out is within [`Rotation::error`] of V·n.
    pub(crate) fn apply(&self, rows: &[f32], rotated: &mut [f32]) {
        rotate(self.dimension, &self.matrix, rows, rotated);
    }

    /// How far (L2) a rotated row can be from V·n, for a unit vector n that was rounded to float32
    /// before.
    ///
    /// A coordinate is summed in runs of [`rotate::RUN`](crate::arch::ROTATE_RUN) terms and then run
    /// by run: at most m = 2·run + ⌈dimension / run⌉ + 2 roundings, so it is off by γₘ·Σ|Vᵢⱼ|·|nⱼ| at
    /// most, with γₘ = m·u / (1 − m·u) (Higham, Accuracy and Stability, 3.1). Over all coordinates that is
    /// γₘ·‖|V|·|n|‖ ≤ γₘ·‖V‖F = γₘ·√dimension, as ‖V‖F ≤ √dimension·(1 + defect); and n's own
    /// rounding adds u, and taking the centre away u times a norm of 2 at most.
    pub(crate) fn error(&self) -> f64 {
        let roundings =
            2 * crate::arch::ROTATE_RUN + self.dimension.div_ceil(crate::arch::ROTATE_RUN) + 2;
        let mu = roundings as f64 * U;
        let frobenius = (self.dimension as f64).sqrt() * (1.0 + f64::from(self.defect));
        // Denormals round by up to 2⁻¹⁵⁰ a product: nothing beside 1e-30.
        (mu / (1.0 - mu) * frobenius + 4.0 * U) * (1.0 + 1e-6) + 1e-30
    }
}

/// ‖VᵀV − 1‖F, rounded up; `None` if it is not finite.
fn defect(dimension: usize, matrix: &[f32]) -> Option<f32> {
    let matrix = DMatrix::from_row_slice(dimension, dimension, matrix).map(f64::from);
    // Row j of `matrix` is column j of V, so VᵀV holds the rows' inner products.
    let mut products = &matrix * matrix.transpose();
    for i in 0..dimension {
        products[(i, i)] -= 1.0;
    }
    let norm = products.norm();
    // Float64 sums of `dimension` products, each off by 2⁻⁵² at most.
    let slack = (dimension * dimension) as f64 * f64::EPSILON;
    let bound = up_to_f32(norm + slack);
    bound.is_finite().then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(dimension: usize, count: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let mut rows = Vec::new();
        for _ in 0..count {
            let row: Vec<f32> = (0..dimension).map(|i| next() / (1 + i) as f32).collect();
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            rows.extend(row.iter().map(|value| value / norm));
        }
        rows
    }

    #[test]
    fn a_rotation_keeps_inner_products_within_its_bounds() {
        for dimension in [1, 2, 17, 100, 129] {
            let rows = rows(dimension, 300);
            let rotation = Rotation::principal(dimension, &rows).unwrap();
            let mut rotated = vec![0.0; rows.len()];
            rotation.apply(&rows, &mut rotated);
            let bound = f64::from(rotation.defect()) + 2.2 * rotation.error() + 1e-6;
            let dot = |values: &[f32], a: usize, b: usize| -> f64 {
                let row = |at: usize| values[at * dimension..][..dimension].iter();
                row(a)
                    .zip(row(b))
                    .map(|(&x, &y)| f64::from(x) * f64::from(y))
                    .sum()
            };
            for (a, b) in [(0, 0), (0, 1), (7, 200), (50, 299)] {
                let change = (dot(&rows, a, b) - dot(&rotated, a, b)).abs();
                assert!(change <= bound, "{change} over {bound}");
            }
            // The first axis carries the most.
            let share = |axis: usize| -> f32 {
                rotated
                    .chunks(dimension)
                    .map(|row| row[axis] * row[axis])
                    .sum()
            };
            assert!((1..dimension).all(|axis| share(axis) <= share(axis - 1) * 1.001));
        }
    }

    #[test]
    fn rows_without_a_direction_have_no_axes() {
        assert_eq!(Rotation::principal(3, &[0.0; 12]), None);
    }
}
