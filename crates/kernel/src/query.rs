use crate::error::VectorError;
use crate::{Codes, FoldedQuery, exact};

/// A vector to search for, checked. Its score with a stored row is their cosine, that is the inner
/// product of the two L2-normalised vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    values: Vec<f32>,
    squares: f64,
}

impl Query {
    /// Takes the values of a query vector.
    ///
    /// # Errors
    ///
    /// Those of [`check_vector`].
    pub fn new(values: Vec<f32>) -> Result<Self, VectorError> {
        check_vector(&values)?;
        let squares = exact::squares(&values);
        Ok(Self { values, squares })
    }

    /// The number of values.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// The values as given, not normalised.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The exact cosine with a stored row of finite values: products and sums in float64, in one
    /// fixed order, rounded once to float32.
    ///
    /// The same two vectors give the same bits on every CPU, thread and replica, whichever of them
    /// is the query. A zero row, which no checked ingest stores, scores 0.
    ///
    /// # Panics
    ///
    /// If the row's dimension is not the query's.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> f32 {
        assert_eq!(
            row.len(),
            self.values.len(),
            "a row of another dimension than the query's"
        );
        let (inner, row_squares) = exact::inner_and_squares(&self.values, row);
        if row_squares == 0.0 {
            return 0.0;
        }
        let cosine = (inner / (self.squares * row_squares).sqrt()) as f32;
        // -0 becomes +0: the two must not differ in an order by bits.
        cosine + 0.0
    }

    /// Rotates and scales the query like a segment's rows and quantises it to int8, with the bounds on
    /// what all this can do to a score.
    ///
    /// # Panics
    ///
    /// If the segment's dimension is not the query's.
    #[must_use]
    pub fn fold(&self, codes: Codes<'_>) -> FoldedQuery {
        assert_eq!(
            codes.dimension(),
            self.values.len(),
            "a segment of another dimension than the query's"
        );
        let norm = self.squares.sqrt();
        let unit: Vec<f64> = self
            .values
            .iter()
            .map(|&value| f64::from(value) / norm)
            .collect();
        FoldedQuery::new(&unit, codes.frame())
    }
}

/// Checks that a cosine with these values is defined.
///
/// # Errors
///
/// [`VectorError::Empty`], [`VectorError::NotFinite`] with the first such position, or
/// [`VectorError::Zero`].
pub fn check_vector(values: &[f32]) -> Result<(), VectorError> {
    if values.is_empty() {
        return Err(VectorError::Empty);
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(VectorError::NotFinite { index });
    }
    if values.iter().all(|&value| value == 0.0) {
        return Err(VectorError::Zero);
    }
    Ok(())
}
