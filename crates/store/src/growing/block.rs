//! Some rows in memory, never changed once built.

use crate::{
    ids::Ids,
    index::{lower_bound, sorted_hashes},
};
use vectra_kernel::QuantizedRows;

/// Rows on their way into a block: floats, ids, and an index of the ids. An id can occur more than
/// once.
#[derive(Debug, Default)]
pub(crate) struct GrowingRows {
    ids: Ids,
    vectors: Vec<f32>,
    /// (hash of the id, row), ascending.
    index: Vec<(u64, u32)>,
}

/// Some rows in memory, never changed once built: floats, codes, ids, and an index of the ids.
/// An id can occur more than once, of which at most one row is live.
#[derive(Debug)]
pub(crate) struct GrowingBlock {
    rows: GrowingRows,
    quantized: QuantizedRows,
}

impl GrowingRows {
    /// `vectors` holds as many values for each id.
    pub(crate) fn new(ids: Ids, vectors: Vec<f32>) -> Self {
        let index = sorted_hashes(&ids);
        Self {
            ids,
            vectors,
            index,
        }
    }

    /// The rows of all of these, in their order.
    pub(crate) fn joined(all: &[&Self]) -> Self {
        let rows = all.iter().map(|rows| rows.index.len()).sum();
        let mut joined = Self {
            ids: Ids::default(),
            vectors: Vec::with_capacity(all.iter().map(|rows| rows.vectors.len()).sum()),
            index: Vec::with_capacity(rows),
        };
        for rows in all {
            let first = joined.ids.rows();
            let index = rows.index.iter().map(|&(hash, row)| (hash, row + first));
            joined.index.extend(index);
            joined.ids.extend(&rows.ids);
            joined.vectors.extend_from_slice(&rows.vectors);
        }
        // The stable sort finds the ascending runs and merges them.
        joined.index.sort();
        joined
    }

    pub(crate) fn count(&self) -> u32 {
        self.ids.rows()
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The (hash of the id, row) pairs, ascending.
    pub(crate) fn index(&self) -> &[(u64, u32)] {
        &self.index
    }
}

impl GrowingBlock {
    /// A block of rows of `dimension` values each.
    pub(crate) fn new(dimension: usize, rows: GrowingRows) -> Self {
        let quantized = QuantizedRows::quantize(dimension, &rows.vectors);
        Self { rows, quantized }
    }

    /// The rows without their codes.
    pub(crate) fn plain_rows(&self) -> &GrowingRows {
        &self.rows
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows.count()
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.rows.ids
    }

    pub(crate) fn quantized(&self) -> &QuantizedRows {
        &self.quantized
    }

    /// The values of a row; none for a row out of range.
    pub(crate) fn vector(&self, row: u32) -> &[f32] {
        let dimension = self.quantized.dimension();
        let start = row as usize * dimension;
        self.rows
            .vectors
            .get(start..start + dimension)
            .unwrap_or(&[])
    }

    /// The rows with this id, live or not.
    pub(crate) fn rows_of(&self, hash: u64, id: &str) -> impl Iterator<Item = u32> {
        let index = &self.rows.index;
        let first = lower_bound(index.len(), hash, |at| index[at].0);
        index[first..]
            .iter()
            .take_while(move |(found, _)| *found == hash)
            .map(|&(_, row)| row)
            .filter(move |&row| self.rows.ids.get(row) == id)
    }

    /// Bytes of the float32 rows.
    pub(crate) fn float_bytes(&self) -> u64 {
        size_of_val(self.rows.vectors.as_slice()) as u64
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let index_bytes = size_of_val(self.rows.index.as_slice());
        let codes_bytes = self.quantized.codes_bytes().len() + 4 * self.quantized.dimension();
        self.float_bytes() + self.rows.ids.memory_bytes() + (index_bytes + codes_bytes) as u64
    }
}
