//! The true neighbours of queries, to measure recall against.

use std::path::Path;

use super::element::Element;
use super::garbled;
use super::npy::NpyArray;
use super::vecs::Records;
use crate::{ClientError, Place};

/// Row numbers of each query's nearest neighbours, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    rows: usize,
    columns: usize,
    numbers: Vec<i64>,
}

impl Neighbours {
    /// Neighbours given row by row, `columns` in each.
    ///
    /// # Errors
    /// [`ClientError::Argument`] if they do not fill whole rows.
    pub fn new(columns: usize, numbers: Vec<i64>) -> Result<Self, ClientError> {
        if columns == 0 || !numbers.len().is_multiple_of(columns) {
            return Err(ClientError::Argument(format!(
                "{} neighbours do not fill rows of {columns}",
                numbers.len()
            )));
        }
        Ok(Self {
            rows: numbers.len() / columns,
            columns,
            numbers,
        })
    }

    /// Reads a `.npy` of int32 or int64, or an `.ivecs`, one row a query.
    ///
    /// # Errors
    /// [`ClientError::Io`], or [`ClientError::File`] with what is wrong and where.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "npy" => Self::read_npy(path),
            "ivecs" => {
                let mut records = Records::open(path, Element::I32)?;
                let Some(columns) = records.dimension() else {
                    return Err(garbled(path, Place::Whole, "it has no rows"));
                };
                Self::new(columns, records.read_integers()?)
            }
            _ => {
                let reason = "true neighbours are read from .npy (int32, int64) or .ivecs";
                Err(garbled(path, Place::Whole, reason))
            }
        }
    }

    fn read_npy(path: &Path) -> Result<Self, ClientError> {
        let NpyArray {
            mut source,
            element,
            rows,
            columns,
        } = NpyArray::open(path)?;
        if element.is_vector_value() {
            let reason = "true neighbours are row numbers: int32 (<i4) or int64 (<i8) is needed";
            return Err(garbled(path, Place::Whole, reason));
        }
        let values = rows as usize * columns;
        let mut bytes = vec![0; values * element.size()];
        source.read(&mut bytes, "its rows")?;
        let mut numbers = Vec::with_capacity(values);
        element.append_integers(&bytes, &mut numbers);
        Self::new(columns, numbers)
    }

    /// Queries there are neighbours of.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Neighbours known of each.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The neighbours of one query, best first; empty beyond the last.
    #[must_use]
    pub fn of(&self, query: usize) -> &[i64] {
        self.numbers
            .chunks_exact(self.columns)
            .nth(query)
            .unwrap_or_default()
    }
}
