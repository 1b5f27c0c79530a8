//! Vector files, read a batch at a time, never as a whole.
//!
//! | ending | what it holds |
//! | --- | --- |
//! | `.npy` | a NumPy array of rows × dimensions, C order: float32, float16, float64, uint8, int8, little-endian |
//! | `.fvecs`, `.bvecs` | per vector its dimension (int32, little-endian), then float32 or uint8 values |
//! | `.jsonl` | per line `{"id": "…", "vector": […]}`; without `id` the row number is the id |
//! | `.parquet` | a column of lists of float32, float64, float16 or int32, and if there is one, a column `id` |

mod element;
mod jsonl;
mod neighbours;
mod npy;
mod parquet;
mod source;
mod vecs;

use std::path::{Path, PathBuf};

pub use element::Element;
pub use jsonl::parse_object;
pub use neighbours::Neighbours;
pub use npy::{NPY_MAGIC, NpyHeader, npy_header};

use crate::{ClientError, Place};

/// More dimensions than any format in use has; a file that claims more is garbled.
const MOST_DIMENSIONS: u64 = 65_536;

/// Some rows of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorBatch {
    /// The first row's number, counted from 0 within the file.
    pub first_row: u64,
    /// Values in each row.
    pub dimension: usize,
    /// One id a row.
    pub ids: Vec<String>,
    /// The rows, one after the other.
    pub vectors: Vec<f32>,
    /// How far into the file the batch reaches, in bytes.
    pub end: u64,
}

impl VectorBatch {
    /// Rows in the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// An open vector file.
#[derive(Debug)]
pub struct VectorFile {
    path: PathBuf,
    reader: Reader,
    bytes: u64,
    /// Added to a row's number to make its id.
    id_offset: u64,
}

#[derive(Debug)]
enum Reader {
    Rows(npy::NpyRows),
    Records(vecs::Records),
    Lines(jsonl::Lines),
    Columns(Box<parquet::ParquetRows>),
}

impl VectorFile {
    /// Opens a file; its ending says what it is. The header is read and checked against the
    /// file's length at once, so that a truncated file is refused before any of it is used.
    ///
    /// # Errors
    /// [`ClientError::Io`], or [`ClientError::File`] with what is wrong and where.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        let reader = match ending.to_ascii_lowercase().as_str() {
            "npy" => Reader::Rows(npy::NpyRows::open(path)?),
            "fvecs" => Reader::Records(vecs::Records::open(path, element::Element::F32)?),
            "bvecs" => Reader::Records(vecs::Records::open(path, element::Element::U8)?),
            "jsonl" | "ndjson" => Reader::Lines(jsonl::Lines::open(path)?),
            "parquet" => Reader::Columns(Box::new(parquet::ParquetRows::open(path)?)),
            _ => {
                return Err(garbled(
                    path,
                    Place::Whole,
                    "its ending is not one of .npy, .fvecs, .bvecs, .jsonl, .parquet",
                ));
            }
        };
        let bytes = match &reader {
            Reader::Rows(rows) => rows.bytes(),
            Reader::Records(records) => records.bytes(),
            Reader::Lines(lines) => lines.bytes(),
            Reader::Columns(columns) => columns.bytes(),
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            bytes,
            id_offset: 0,
        })
    }

    /// The same file with ids of row numbers that start at `first` instead of 0: how several
    /// files share one numbering.
    #[must_use]
    pub fn numbered_from(mut self, first: u64) -> Self {
        self.id_offset = first;
        self
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows the file has, where its format says so.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        match &self.reader {
            Reader::Rows(rows) => Some(rows.rows()),
            Reader::Records(records) => Some(records.rows()),
            Reader::Lines(_) => None,
            Reader::Columns(columns) => Some(columns.rows()),
        }
    }

    /// Values in each row, once that is known: in `.jsonl` and `.parquet`, after the first batch.
    #[must_use]
    pub fn dimension(&self) -> Option<usize> {
        match &self.reader {
            Reader::Rows(rows) => Some(rows.dimension()),
            Reader::Records(records) => records.dimension(),
            Reader::Lines(lines) => lines.dimension(),
            Reader::Columns(columns) => columns.dimension(),
        }
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next rows, at most `max_rows` (at least one is read), or `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Io`], or [`ClientError::File`] with what is wrong and where.
    pub fn next_batch(&mut self, max_rows: usize) -> Result<Option<VectorBatch>, ClientError> {
        let max_rows = max_rows.max(1);
        match &mut self.reader {
            Reader::Rows(rows) => rows.next_batch(max_rows, self.id_offset),
            Reader::Records(records) => records.next_batch(max_rows, self.id_offset),
            Reader::Lines(lines) => lines.next_batch(max_rows, self.id_offset),
            Reader::Columns(columns) => columns.next_batch(max_rows, self.id_offset),
        }
    }

    /// Every row at once, for files that are known to be small.
    ///
    /// # Errors
    /// As [`VectorFile::next_batch`], or a file without rows.
    pub fn read_all(mut self) -> Result<VectorBatch, ClientError> {
        let Some(mut all) = self.next_batch(usize::MAX)? else {
            return Err(garbled(&self.path, Place::Whole, "it has no rows"));
        };
        while let Some(mut more) = self.next_batch(usize::MAX)? {
            all.ids.append(&mut more.ids);
            all.vectors.append(&mut more.vectors);
            all.end = more.end;
        }
        Ok(all)
    }
}

/// Row numbers as ids.
fn row_numbers(first: u64, count: usize) -> Vec<String> {
    (first..).take(count).map(|row| row.to_string()).collect()
}

/// An error about what a file holds.
fn garbled(path: &Path, place: Place, reason: impl Into<String>) -> ClientError {
    ClientError::File {
        path: path.to_owned(),
        place,
        reason: reason.into(),
    }
}

#[cfg(test)]
#[path = "files_test.rs"]
mod tests;
