//! Some rows in memory, never changed once built.

use crate::{
    ids::Ids,
    index::{lower_bound, sorted_hashes},
};
use vectra_kernel::QuantizedRows;

/// Some rows in memory, never changed once built: floats, codes, ids, and an index of the ids.
/// An id can occur more than once, of which at most one row is live.
#[derive(Debug)]
pub(crate) struct GrowingBlock {
    ids: Ids,
    vectors: Vec<f32>,
    quantized: QuantizedRows,
    /// (hash of the id, row), ascending.
    index: Vec<(u64, u32)>,
}

impl GrowingBlock {
    /// `vectors` holds one row of `dimension` values per id.
    pub(crate) fn new(dimension: usize, ids: Ids, vectors: Vec<f32>) -> Self {
        let index = sorted_hashes(&ids);
        let quantized = QuantizedRows::quantize(dimension, &vectors);
        Self {
            ids,
            vectors,
            quantized,
            index,
        }
    }

    /// One block with the rows of all of these, in their order.
    pub(crate) fn merged(dimension: usize, blocks: &[&Self]) -> Self {
        let mut ids = Ids::default();
        let mut vectors = Vec::with_capacity(blocks.iter().map(|block| block.vectors.len()).sum());
        for block in blocks {
            ids.extend(&block.ids);
            vectors.extend_from_slice(&block.vectors);
        }
        Self::new(dimension, ids, vectors)
    }

    pub(crate) fn rows(&self) -> u32 {
        self.ids.rows()
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(crate) fn quantized(&self) -> &QuantizedRows {
        &self.quantized
    }

    /// The (hash of the id, row) pairs, ascending.
    pub(crate) fn index(&self) -> &[(u64, u32)] {
        &self.index
    }

    /// The values of a row; none for a row out of range.
    pub(crate) fn vector(&self, row: u32) -> &[f32] {
        let dimension = self.quantized.dimension();
        let start = row as usize * dimension;
        self.vectors.get(start..start + dimension).unwrap_or(&[])
    }

    /// The rows with this id, live or not.
    pub(crate) fn rows_of(&self, hash: u64, id: &str) -> impl Iterator<Item = u32> {
        let first = lower_bound(self.index.len(), hash, |at| self.index[at].0);
        self.index[first..]
            .iter()
            .take_while(move |(found, _)| *found == hash)
            .map(|&(_, row)| row)
            .filter(move |&row| self.ids.get(row) == id)
    }

    /// Bytes of the float32 rows.
    pub(crate) fn float_bytes(&self) -> u64 {
        size_of_val(self.vectors.as_slice()) as u64
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let index_bytes = size_of_val(self.index.as_slice());
        let codes_bytes = self.quantized.codes_bytes().len() + 4 * self.quantized.dimension();
        self.float_bytes() + self.ids.memory_bytes() + (index_bytes + codes_bytes) as u64
    }
}
