//! Codes as the scan reads them: blocks of 16 rows, each a line of 64 bytes per 4 dimensions.
//!
//! Line g of a block holds the codes of dimensions 4g…4g+3 of row 0 of the block, then of row 1, …:
//! what one VPDPBUSD multiplies with 4 codes of the query, one row per lane, so that no sum ever
//! crosses lanes. A code c is stored as the byte c + 128, as that instruction multiplies unsigned
//! bytes with signed ones; rows up to a multiple of 16 and dimensions up to one of 4 are filled up
//! with the code 0.
//!
//! The lines are kept by stage: first those of the first stage for all blocks, one block after the
//! other, then those of the second, …, so that a scan that gives up on a block after its first stage
//! never touches the bytes of the others.

use std::ops::Range;

/// Rows of a block: 32-bit lanes of the widest register.
pub(crate) const BLOCK_ROWS: usize = 16;

/// Dimensions of a line: bytes of a lane.
pub(crate) const GROUP_DIMENSIONS: usize = 4;

/// Bytes of a line: one register, one cache line.
pub(crate) const LINE_BYTES: usize = BLOCK_ROWS * GROUP_DIMENSIONS;

/// The byte of the code 0.
pub(crate) const ZERO_CODE: u8 = 128;

/// A line of a block.
pub(crate) type Line = [u8; LINE_BYTES];

/// The lines of a block.
pub(crate) fn groups(dimension: usize) -> usize {
    dimension.div_ceil(GROUP_DIMENSIONS)
}

/// The bytes that so many rows take; `usize::MAX` if there is no such number.
pub(crate) fn encoded_len(dimension: usize, rows: usize) -> usize {
    let block_bytes = groups(dimension) * LINE_BYTES;
    rows.div_ceil(BLOCK_ROWS).saturating_mul(block_bytes)
}

/// Where the lines of each stage lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sections {
    blocks: usize,
    /// The lines of each stage, as groups of dimensions.
    stages: Vec<Range<usize>>,
}

impl Sections {
    /// Of stages that end at these dimensions, each a multiple of 4 but the last.
    pub(crate) fn new(rows: usize, stage_ends: impl Iterator<Item = usize>) -> Self {
        let mut first = 0;
        let stages = stage_ends.map(|end| {
            let stage = first..groups(end);
            first = stage.end;
            stage
        });
        Self {
            stages: stages.collect(),
            blocks: rows.div_ceil(BLOCK_ROWS),
        }
    }

    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The groups of dimensions that a stage adds.
    pub(crate) fn groups_of(&self, stage: usize) -> Range<usize> {
        self.stages[stage].clone()
    }

    /// The bytes of some blocks in one stage.
    pub(crate) fn bytes_of(&self, stage: usize, blocks: Range<usize>) -> Range<usize> {
        let Range { start, end } = self.groups_of(stage);
        let section = start * self.blocks;
        let lines = end - start;
        (section + blocks.start * lines) * LINE_BYTES..(section + blocks.end * lines) * LINE_BYTES
    }

    /// Where the 4 codes of a row and a group begin.
    fn lane(&self, row: usize, group: usize) -> usize {
        let stage = self.stages.partition_point(|stage| stage.end <= group);
        let block = row / BLOCK_ROWS;
        let first = self.bytes_of(stage, block..block + 1).start;
        let line = group - self.stages[stage].start;
        first + line * LINE_BYTES + row % BLOCK_ROWS * GROUP_DIMENSIONS
    }

    /// Reads the codes of one row; what is beyond the last dimension is 0.
    pub(crate) fn read_row(&self, bytes: &[u8], row: usize, codes: &mut [i8]) {
        for (group, codes) in codes.chunks_mut(GROUP_DIMENSIONS).enumerate() {
            let lane = &bytes[self.lane(row, group)..][..GROUP_DIMENSIONS];
            for (code, &byte) in codes.iter_mut().zip(lane) {
                *code = (byte ^ ZERO_CODE).cast_signed();
            }
        }
    }
}

/// Blocks in memory, the first line at a multiple of 64 bytes: a line that straddles two cache
/// lines takes two reads.
#[derive(Debug)]
pub(crate) struct Blocks {
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl Blocks {
    /// So many bytes, all of the code 0.
    pub(crate) fn zeros(len: usize) -> Self {
        let storage = vec![ZERO_CODE; len + LINE_BYTES - 1];
        let start = storage.as_ptr().align_offset(LINE_BYTES);
        // A platform may decline to say; unaligned blocks are only slower.
        let start = if start < LINE_BYTES { start } else { 0 };
        Self {
            storage,
            start,
            len,
        }
    }

    /// Writes the codes of one row.
    #[inline(always)]
    pub(crate) fn set_row(&mut self, sections: &Sections, row: usize, codes: &[i8]) {
        let (block, lane) = (row / BLOCK_ROWS, row % BLOCK_ROWS * GROUP_DIMENSIONS);
        for stage in 0..sections.stages.len() {
            let Range { start, end } = sections.groups_of(stage);
            let bytes = sections.bytes_of(stage, block..block + 1);
            let lines = &mut self.storage[self.start..][bytes];
            let (lines, _) = lines.as_chunks_mut::<LINE_BYTES>();
            let codes = &codes[start * GROUP_DIMENSIONS..codes.len().min(end * GROUP_DIMENSIONS)];
            let (whole, rest) = codes.as_chunks::<GROUP_DIMENSIONS>();
            let byte = |code: i8| code.cast_unsigned() ^ ZERO_CODE;
            for (line, codes) in lines.iter_mut().zip(whole) {
                line[lane..lane + GROUP_DIMENSIONS].copy_from_slice(&codes.map(byte));
            }
            if let Some(line) = lines.get_mut(whole.len()) {
                let lane = &mut line[lane..lane + rest.len()];
                lane.iter_mut()
                    .zip(rest)
                    .for_each(|(to, &code)| *to = byte(code));
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..][..self.len]
    }
}

impl Clone for Blocks {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        let start = copy.start;
        copy.storage[start..][..self.len].copy_from_slice(self.bytes());
        copy
    }
}

impl PartialEq for Blocks {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_come_back_and_the_rest_is_zero() {
        for (dimension, ends) in [
            (1, vec![1]),
            (5, vec![4, 5]),
            (12, vec![4, 8, 12]),
            (33, vec![16, 33]),
        ] {
            let rows = 35;
            let sections = Sections::new(rows, ends.iter().copied());
            let mut blocks = Blocks::zeros(encoded_len(dimension, rows));
            let code = |row: usize, i: usize| ((row * 31 + i * 7) % 255) as i32 as u8 as i8;
            for row in 0..rows {
                let codes: Vec<i8> = (0..dimension).map(|i| code(row, i)).collect();
                blocks.set_row(&sections, row, &codes);
            }
            assert_eq!(blocks.bytes().as_ptr() as usize % LINE_BYTES, 0);
            for row in 0..sections.blocks() * BLOCK_ROWS {
                let mut codes = vec![1; groups(dimension) * GROUP_DIMENSIONS];
                sections.read_row(blocks.bytes(), row, &mut codes);
                for (i, &found) in codes.iter().enumerate() {
                    let inside = row < rows && i < dimension;
                    assert_eq!(found, if inside { code(row, i) } else { 0 }, "{row} {i}");
                }
            }
        }
    }

    #[test]
    fn the_lines_of_a_stage_lie_side_by_side() {
        let sections = Sections::new(48, [8, 16].into_iter());
        assert_eq!(sections.bytes_of(0, 0..3), 0..3 * 2 * 64);
        assert_eq!(sections.bytes_of(1, 0..3), 384..768);
        assert_eq!(sections.bytes_of(1, 1..2), 512..640);
    }
}
