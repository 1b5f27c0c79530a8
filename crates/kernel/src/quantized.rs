use crate::blocks::{Blocks, read_row};
use crate::rounding::{nearest_code, up_to_f32};
use crate::{Codes, MAX_DIMENSION, exact};

/// Rows quantised together to one signed byte per dimension (SQ8).
///
/// With n the L2-normalised rows of the set, αᵢ = max |nᵢ| over the rows, rounded up to float32,
/// and the code of nᵢ is round(nᵢ / αᵢ · 127), in -127…127. A dimension that is zero in every row
/// has αᵢ = 0 and codes of 0.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedRows {
    dimension: usize,
    rows: usize,
    alphas: Vec<f32>,
    residual_norm: f32,
    blocks: Blocks,
}

impl QuantizedRows {
    /// Quantises raw vectors, row-major, each of `dimension` finite values. They are normalised
    /// here; a zero row stays zero.
    ///
    /// # Panics
    ///
    /// If the dimension is outside 1…[`MAX_DIMENSION`], or the values are not whole rows.
    #[must_use]
    pub fn quantize(dimension: usize, vectors: &[f32]) -> Self {
        assert!(
            (1..=MAX_DIMENSION).contains(&dimension),
            "a dimension of {dimension} is outside 1…{MAX_DIMENSION}"
        );
        assert_eq!(
            vectors.len() % dimension,
            0,
            "{} values are not whole rows of {dimension}",
            vectors.len()
        );
        let rows = vectors.len() / dimension;

        let inverse_norms: Vec<f64> = vectors.chunks_exact(dimension).map(inverse_norm).collect();
        let alphas = largest_magnitudes(dimension, vectors, &inverse_norms);
        let encoder = Encoder::new(&alphas);

        let mut blocks = Blocks::zeros(dimension, rows);
        let mut row_codes = vec![0i8; dimension];
        let mut largest_residual_squares = 0.0f64;
        let normed_rows = vectors.chunks_exact(dimension).zip(&inverse_norms);
        for (row, (values, &inverse_norm)) in normed_rows.enumerate() {
            let residual_squares = encoder.encode(values, inverse_norm, &mut row_codes);
            largest_residual_squares = largest_residual_squares.max(residual_squares);
            blocks.set_row(row, &row_codes);
        }
        let residual_norm = residual_norm(dimension, largest_residual_squares);
        Self {
            dimension,
            rows,
            alphas,
            residual_norm,
            blocks,
        }
    }

    /// The number of codes per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The scale of each dimension: a code c of dimension i stands for c · αᵢ / 127.
    #[must_use]
    pub fn alphas(&self) -> &[f32] {
        &self.alphas
    }

    /// The largest L2 distance between a normalised row and what its codes stand for, rounded up.
    #[must_use]
    pub fn residual_norm(&self) -> f32 {
        self.residual_norm
    }

    /// A copy of the codes, row-major: for tests and tools, not for a scan.
    #[must_use]
    pub fn codes(&self) -> Vec<i8> {
        let mut codes = vec![0i8; self.rows * self.dimension];
        for (row, row_codes) in codes.chunks_exact_mut(self.dimension).enumerate() {
            read_row(self.blocks.bytes(), self.dimension, row, row_codes);
        }
        codes
    }

    /// The codes as [`Codes::new`] takes them back, laid out in blocks as [`Codes`] says.
    #[must_use]
    pub fn codes_bytes(&self) -> &[u8] {
        self.blocks.bytes()
    }

    /// The rows as the scan takes them.
    #[must_use]
    pub fn as_codes(&self) -> Codes<'_> {
        Codes::from_parts(
            self.dimension,
            self.rows,
            &self.alphas,
            self.residual_norm,
            self.blocks.bytes(),
        )
    }
}

/// What to multiply a row by to normalise it; 0 for a zero row, which has no direction.
fn inverse_norm(row: &[f32]) -> f64 {
    let squares = exact::squares(row);
    if squares == 0.0 {
        0.0
    } else {
        1.0 / squares.sqrt()
    }
}

/// max |nᵢ| over the normalised rows, per dimension.
fn largest_magnitudes(dimension: usize, vectors: &[f32], inverse_norms: &[f64]) -> Vec<f32> {
    let mut largest = vec![0.0f64; dimension];
    for (row, &inverse_norm) in vectors.chunks_exact(dimension).zip(inverse_norms) {
        for (largest, &value) in largest.iter_mut().zip(row) {
            *largest = largest.max((f64::from(value) * inverse_norm).abs());
        }
    }
    largest.into_iter().map(up_to_f32).collect()
}

/// The residual norm to store: above the true one by more than float64 rounding can have taken.
///
/// Each nᵢ is off by at most (dimension + 40) · 2⁻⁵³ of itself (its norm's sum, a root, a division,
/// a product), each decoded value by 2⁻⁵², and the sum of squares by (dimension + 8) · 2⁻⁵³ of
/// itself; both vectors are of norm 2 at most.
fn residual_norm(dimension: usize, residual_squares: f64) -> f32 {
    let slack = (dimension + 64) as f64 * f64::EPSILON;
    up_to_f32(residual_squares.sqrt() * (1.0 + slack) + 4.0 * slack)
}

/// The per-dimension factors of the code, and of what it stands for.
struct Encoder {
    steps_per_unit: Vec<f64>,
    step: Vec<f64>,
}

impl Encoder {
    fn new(alphas: &[f32]) -> Self {
        let to_steps = |&alpha: &f32| {
            if alpha == 0.0 {
                0.0
            } else {
                127.0 / f64::from(alpha)
            }
        };
        Self {
            steps_per_unit: alphas.iter().map(to_steps).collect(),
            step: alphas
                .iter()
                .map(|&alpha| f64::from(alpha) / 127.0)
                .collect(),
        }
    }

    /// Writes the codes of one row and returns the square of its residual norm.
    fn encode(&self, row: &[f32], inverse_norm: f64, codes: &mut [i8]) -> f64 {
        let mut residuals = [0.0f64; 8];
        let factors = self.steps_per_unit.iter().zip(&self.step);
        for (i, ((&value, code), (&steps_per_unit, &step))) in
            row.iter().zip(codes).zip(factors).enumerate()
        {
            let unit = f64::from(value) * inverse_norm;
            let rounded = nearest_code(unit * steps_per_unit);
            *code = rounded as i8;
            let residual = unit - rounded * step;
            residuals[i % 8] += residual * residual;
        }
        exact::reduce(residuals)
    }
}
