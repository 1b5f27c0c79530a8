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

/// Why parts are no codes of the given shape.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum LayoutError {
    /// The dimension is zero, or more than the scan can add up in 32 bits.
    #[error("a dimension of {got} is outside 1…{}", crate::MAX_DIMENSION)]
    Dimension {
        /// The dimension asked for.
        got: usize,
    },
    /// A list of another length than the shape takes.
    #[error("{got} values were given as {what} where there should be {expected}")]
    Count {
        /// Which list.
        what: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many it has.
        got: usize,
    },
    /// A value that is infinite, NaN, or negative where it must not be.
    #[error("value {index} of {what} is {got}")]
    Value {
        /// Which list.
        what: &'static str,
        /// Where in it, from 0.
        index: usize,
        /// The value.
        got: f32,
    },
    /// A stage that ends before it begins, within a group of 4 dimensions, or beyond the dimension.
    #[error("stage {number} of the scan ends at dimension {got}")]
    Stage {
        /// Which stage, from 0.
        number: usize,
        /// Where it ends.
        got: usize,
    },
    /// No stages, or shifts that would overflow the sums.
    #[error("the stages of the scan are none, or their shifts leave 32 bits")]
    Shifts,
    /// The means of the leaves are not as many bytes as the shape takes.
    #[error("leaves of {rows} rows have means of {got} bytes instead of {expected}")]
    Leaves {
        /// Rows of a leaf.
        rows: usize,
        /// The bytes the means should take.
        expected: usize,
        /// The bytes given.
        got: usize,
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
