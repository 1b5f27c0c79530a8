//! What a segment says about its rows besides their codes: an rkyv archive in the segment file.

use crate::{
    ids::Ids,
    index::{lower_bound, sorted_hashes},
};
use rkyv::{Archive, Serialize, rend::f32_le};
use vectra_kernel::QuantizedRows;

/// What a segment says about its rows besides their codes. The order of the fields is part of the
/// format.
#[derive(Debug, Archive, Serialize)]
pub(crate) struct SegmentArchive {
    /// The scale of each dimension's codes.
    alphas: Vec<f32>,
    /// No row is farther from what its codes stand for.
    residual_norm: f32,
    /// Where each row's id ends in `id_text`.
    id_ends: Vec<u32>,
    /// The ids by row, UTF-8, one after the other.
    id_text: Vec<u8>,
    /// The hashes of the ids, ascending, so that an id is found without a resident map.
    index_hashes: Vec<u64>,
    /// The row that each of `index_hashes` belongs to.
    index_rows: Vec<u32>,
}

impl SegmentArchive {
    pub(super) fn new(ids: &Ids, quantized: &QuantizedRows) -> Self {
        let (index_hashes, index_rows) = sorted_hashes(ids).into_iter().unzip();
        Self {
            alphas: quantized.alphas().to_vec(),
            residual_norm: quantized.residual_norm(),
            id_ends: ids.ends().to_vec(),
            id_text: ids.text().as_bytes().to_vec(),
            index_hashes,
            index_rows,
        }
    }
}

impl ArchivedSegmentArchive {
    /// Whether every list has the length that these rows need.
    pub(super) fn fits(&self, rows: usize, dimension: usize) -> bool {
        self.alphas.len() == dimension
            && self.id_ends.len() == rows
            && self.index_hashes.len() == rows
            && self.index_rows.len() == rows
            && self
                .id_ends
                .last()
                .map_or(0, |end| end.to_native() as usize)
                == self.id_text.len()
    }

    pub(super) fn alphas(&self) -> Vec<f32> {
        self.alphas
            .iter()
            .map(|alpha: &f32_le| alpha.to_native())
            .collect()
    }

    pub(super) fn residual_norm(&self) -> f32 {
        self.residual_norm.to_native()
    }

    /// The id of a row, if its place in the text is a sound one.
    pub(super) fn id(&self, row: u32) -> Option<&str> {
        let row = row as usize;
        let start = match row.checked_sub(1) {
            Some(before) => self.id_ends.get(before)?.to_native(),
            None => 0,
        };
        let end = self.id_ends.get(row)?.to_native();
        let text = self.id_text.get(start as usize..end as usize)?;
        std::str::from_utf8(text).ok()
    }

    /// The row with this id.
    pub(super) fn row_of(&self, hash: u64, id: &str) -> Option<u32> {
        let hashes = self.index_hashes.as_slice();
        let first = lower_bound(hashes.len(), hash, |at| hashes[at].to_native());
        hashes[first..]
            .iter()
            .zip(self.index_rows.get(first..)?)
            .take_while(|(found, _)| found.to_native() == hash)
            .map(|(_, row)| row.to_native())
            .find(|&row| self.id(row) == Some(id))
    }
}
