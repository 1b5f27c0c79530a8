//! Codes as the scan reads them: blocks of 16 rows, each a line of 64 bytes per 4 dimensions.
//!
//! Line g of a block holds the codes of dimensions 4g…4g+3 of row 0 of the block, then of row 1, …:
//! what one VPDPBUSD multiplies with 4 codes of the query, one row per lane, so that no sum ever
//! crosses lanes. A code c is stored as the byte c + 128, as that instruction multiplies unsigned
//! bytes with signed ones; rows up to a multiple of 16 and dimensions up to one of 4 are filled up
//! with the code 0.

/// Rows of a block: 32-bit lanes of the widest register.
pub(crate) const BLOCK_ROWS: usize = 16;

/// Dimensions of a line: bytes of a lane.
pub(crate) const GROUP_DIMENSIONS: usize = 4;

/// Bytes of a line: one register, one cache line.
pub(crate) const LINE_BYTES: usize = BLOCK_ROWS * GROUP_DIMENSIONS;

/// The byte of the code 0.
pub(crate) const ZERO_CODE: u8 = 128;

/// The lines of a block.
pub(crate) fn groups(dimension: usize) -> usize {
    dimension.div_ceil(GROUP_DIMENSIONS)
}

/// The bytes that so many rows take; `usize::MAX` if there is no such number.
pub(crate) fn encoded_len(dimension: usize, rows: usize) -> usize {
    let block_bytes = groups(dimension) * LINE_BYTES;
    rows.div_ceil(BLOCK_ROWS).saturating_mul(block_bytes)
}

/// Where the first line's part of a row begins; each further line's is [`LINE_BYTES`] on.
fn row_start(dimension: usize, row: usize) -> usize {
    let block_bytes = groups(dimension) * LINE_BYTES;
    row / BLOCK_ROWS * block_bytes + row % BLOCK_ROWS * GROUP_DIMENSIONS
}

/// Blocks in memory, the first line at a multiple of 64 bytes: a line that straddles two cache
/// lines takes two reads.
#[derive(Debug)]
pub(crate) struct Blocks {
    dimension: usize,
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl Blocks {
    /// So many rows of zeros.
    pub(crate) fn zeros(dimension: usize, rows: usize) -> Self {
        Self::with_len(dimension, encoded_len(dimension, rows))
    }

    fn with_len(dimension: usize, len: usize) -> Self {
        let storage = vec![ZERO_CODE; len + LINE_BYTES - 1];
        let start = storage.as_ptr().align_offset(LINE_BYTES);
        // A platform may decline to say; unaligned blocks are only slower.
        let start = if start < LINE_BYTES { start } else { 0 };
        Self {
            dimension,
            storage,
            start,
            len,
        }
    }

    /// Writes the codes of one row.
    pub(crate) fn set_row(&mut self, row: usize, codes: &[i8]) {
        let first = self.start + row_start(self.dimension, row);
        for (group, codes) in codes.chunks(GROUP_DIMENSIONS).enumerate() {
            let lane = &mut self.storage[first + group * LINE_BYTES..][..GROUP_DIMENSIONS];
            for (byte, &code) in lane.iter_mut().zip(codes) {
                *byte = code.cast_unsigned() ^ ZERO_CODE;
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..][..self.len]
    }
}

/// Reads the codes of one row, filled up with zeros to whole groups.
pub(crate) fn read_row(blocks: &[u8], dimension: usize, row: usize, codes: &mut [i8]) {
    let first = row_start(dimension, row);
    for (group, codes) in codes.chunks_mut(GROUP_DIMENSIONS).enumerate() {
        let lane = &blocks[first + group * LINE_BYTES..][..GROUP_DIMENSIONS];
        for (code, &byte) in codes.iter_mut().zip(lane) {
            *code = (byte ^ ZERO_CODE).cast_signed();
        }
    }
}

impl Clone for Blocks {
    fn clone(&self) -> Self {
        let mut copy = Self::with_len(self.dimension, self.len);
        let start = copy.start;
        copy.storage[start..][..self.len].copy_from_slice(self.bytes());
        copy
    }
}

impl PartialEq for Blocks {
    fn eq(&self, other: &Self) -> bool {
        self.dimension == other.dimension && self.bytes() == other.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_one_documented() {
        let mut blocks = Blocks::zeros(5, 17);
        assert_eq!(blocks.bytes().len(), 2 * 2 * 64);
        assert_eq!(encoded_len(5, 17), 2 * 2 * 64);
        blocks.set_row(2, &[1, 2, 3, 4, -5]);
        blocks.set_row(16, &[-127, 0, 0, 0, 127]);
        let mut expected = vec![128u8; 256];
        expected[8..12].copy_from_slice(&[129, 130, 131, 132]);
        expected[64 + 8] = 123;
        expected[128] = 1;
        expected[192] = 255;
        assert_eq!(blocks.bytes(), expected);
    }

    #[test]
    fn a_row_reads_back_filled_up_with_zeros() {
        let mut blocks = Blocks::zeros(5, 20);
        blocks.set_row(18, &[1, -2, 127, -127, 5]);
        let mut codes = [9i8; 8];
        read_row(blocks.bytes(), 5, 18, &mut codes);
        assert_eq!(codes, [1, -2, 127, -127, 5, 0, 0, 0]);
    }

    #[test]
    fn blocks_and_their_copies_begin_at_a_cache_line() {
        let blocks = Blocks::zeros(3, 100);
        let copy = blocks.clone();
        assert_eq!(blocks.bytes().as_ptr().addr() % LINE_BYTES, 0);
        assert_eq!(copy.bytes().as_ptr().addr() % LINE_BYTES, 0);
        assert_eq!(blocks, copy);
    }

    #[test]
    fn a_length_beyond_memory_saturates() {
        assert_eq!(encoded_len(4096, usize::MAX), usize::MAX);
    }
}
