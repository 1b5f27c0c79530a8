use crate::error::LayoutError;
use crate::{MAX_DIMENSION, blocks};

/// The int8 rows of one segment, borrowed from memory or from a mapped file.
///
/// The layout is blocks of 16 rows. With G = ⌈dimension / 4⌉, a block is G lines of 64 bytes, and byte
/// 4·r + j of line g is the code of dimension 4·g + j of row r of the block, plus 128. What is beyond
/// the last row or dimension is the code 0, the byte 128. Codes are in -127…127. The scan is fastest
/// where the bytes begin at a multiple of 64 in memory.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    dimension: usize,
    rows: usize,
    alphas: &'a [f32],
    residual_norm: f32,
    blocks: &'a [u8],
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
            blocks: codes,
        })
    }

    /// Views the parts of rows just quantised, which fit by construction.
    pub(crate) fn from_parts(
        dimension: usize,
        rows: usize,
        alphas: &'a [f32],
        residual_norm: f32,
        blocks: &'a [u8],
    ) -> Self {
        Self {
            dimension,
            rows,
            alphas,
            residual_norm,
            blocks,
        }
    }

    /// The bytes that the codes of so many rows take: ⌈rows / 16⌉ · ⌈dimension / 4⌉ · 64.
    #[must_use]
    pub fn encoded_len(dimension: usize, rows: usize) -> usize {
        blocks::encoded_len(dimension, rows)
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

    /// The blocks, as laid out above.
    pub(crate) fn blocks(&self) -> &'a [u8] {
        self.blocks
    }
}
