use crate::MAX_DIMENSION;
use crate::error::LayoutError;

/// The int8 rows of one segment, borrowed from memory or from a mapped file.
///
/// The layout is row-major: row r is the `dimension` bytes from r · `dimension` on, each a signed
/// code in -127…127.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    dimension: usize,
    rows: usize,
    alphas: &'a [f32],
    residual_norm: f32,
    codes: &'a [i8],
}

impl<'a> Codes<'a> {
    /// Views bytes that [`QuantizedRows`](crate::QuantizedRows) once encoded: its `codes_bytes`,
    /// beside its `alphas` and its `residual_norm`. Only the shape is checked; that the bytes are
    /// the ones encoded is the owner's checksum to say, and the bounds rest on it.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] says which part does not fit the shape.
    pub fn new(
        dimension: usize,
        rows: usize,
        alphas: &'a [f32],
        residual_norm: f32,
        codes: &'a [u8],
    ) -> Result<Self, LayoutError> {
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(LayoutError::Dimension { got: dimension });
        }
        if alphas.len() != dimension {
            return Err(LayoutError::AlphaCount {
                expected: dimension,
                got: alphas.len(),
            });
        }
        let in_range = |value: f32| value.is_finite() && value >= 0.0;
        if let Some(index) = alphas.iter().position(|&alpha| !in_range(alpha)) {
            return Err(LayoutError::Alpha {
                index,
                got: alphas[index],
            });
        }
        if !in_range(residual_norm) {
            return Err(LayoutError::Residual { got: residual_norm });
        }
        let expected = Self::encoded_len(dimension, rows);
        if codes.len() != expected {
            return Err(LayoutError::CodesLength {
                dimension,
                rows,
                expected,
                got: codes.len(),
            });
        }
        Ok(Self {
            dimension,
            rows,
            alphas,
            residual_norm,
            codes: bytemuck::cast_slice(codes),
        })
    }

    /// Views the parts of rows just quantised, which fit by construction.
    pub(crate) fn from_parts(
        dimension: usize,
        rows: usize,
        alphas: &'a [f32],
        residual_norm: f32,
        codes: &'a [i8],
    ) -> Self {
        Self {
            dimension,
            rows,
            alphas,
            residual_norm,
            codes,
        }
    }

    /// The bytes that the codes of so many rows take.
    #[must_use]
    pub fn encoded_len(dimension: usize, rows: usize) -> usize {
        dimension.saturating_mul(rows)
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
    pub fn alphas(&self) -> &'a [f32] {
        self.alphas
    }

    /// No row is farther than this from what its codes stand for (both L2-normalised).
    #[must_use]
    pub fn residual_norm(&self) -> f32 {
        self.residual_norm
    }

    /// The rows one after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &'a [i8])> + use<'a> {
        (0..).zip(self.codes.chunks_exact(self.dimension))
    }
}
