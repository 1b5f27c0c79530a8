use thiserror::Error;

/// Why values are no vector that a cosine is defined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VectorError {
    /// No values at all.
    #[error("the vector is empty; give at least one value")]
    Empty,
    /// A value is NaN or infinite in float32.
    #[error("value {index} of the vector is not finite in float32; give a finite number")]
    NotFinite {
        /// The position of the first such value, from 0.
        index: usize,
    },
    /// Every value is zero, and a zero vector has no direction.
    #[error(
        "the vector is zero, which has no direction to compare; give at least one non-zero value"
    )]
    Zero,
}

/// Why bytes are no codes of the given shape.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum LayoutError {
    /// The dimension is zero, or more than the scan can add up in 32 bits.
    #[error("a dimension of {got} is outside 1…{}", crate::MAX_DIMENSION)]
    Dimension {
        /// The dimension asked for.
        got: usize,
    },
    /// There is not one α per dimension.
    #[error("{got} scales were given for {expected} dimensions")]
    AlphaCount {
        /// The dimension.
        expected: usize,
        /// The number of α given.
        got: usize,
    },
    /// An α is negative, NaN or infinite.
    #[error("the scale of dimension {index} is {got}, not a finite number from 0 up")]
    Alpha {
        /// The dimension it belongs to.
        index: usize,
        /// Its value.
        got: f32,
    },
    /// The residual norm is negative, NaN or infinite.
    #[error("the residual norm is {got}, not a finite number from 0 up")]
    Residual {
        /// Its value.
        got: f32,
    },
    /// The codes are not as many bytes as the shape takes.
    #[error("{got} bytes of codes were given where {rows} rows of {dimension} take {expected}")]
    CodesLength {
        /// The dimension.
        dimension: usize,
        /// The number of rows.
        rows: usize,
        /// The bytes these take.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
}
