//! Plain loops over the lines, for any CPU.

use std::ops::Range;

use super::first_stage::{self, Survivors};
use super::further_stages::further_stages;
use super::lanes::Lanes;
use super::scan_lines::Scan;
use super::score;
use super::{BlockSums, Hit};
use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, Line};
use crate::pack::Pack;

pub(super) const NAME: &str = "portable";

#[derive(Clone, Copy)]
struct Rows(BlockSums);

// SAFETY: no instruction here is one that some CPU lacks.
unsafe impl Lanes for Rows {
    unsafe fn zero() -> Self {
        Self([0; BLOCK_ROWS])
    }

    unsafe fn store(self, sums: &mut BlockSums) {
        *sums = self.0;
    }

    unsafe fn reaching(self, threshold: i32) -> u16 {
        reaching(&self.0, threshold)
    }

    unsafe fn shift(self, bits: u32) -> Self {
        Self(self.0.map(|sum| sum << bits))
    }

    unsafe fn multiply(self, line: &Line, word: i32) -> Self {
        let query_codes = word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        let mut sums = self.0;
        let lanes = line.as_chunks::<GROUP_DIMENSIONS>().0;
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            for (&code, &query_code) in lane.iter().zip(&query_codes) {
                *sum += i32::from(code) * query_code;
            }
        }
        Self(sums)
    }
}

/// Which sums reach a threshold, row 0 in the lowest bit.
pub(super) fn reaching(sums: &BlockSums, threshold: i32) -> u16 {
    let bits = sums.iter().enumerate();
    bits.fold(0, |mask, (row, &sum)| {
        mask | u16::from(sum >= threshold) << row
    })
}

/// See [`Find`](super::Find).
pub(super) fn find(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
    hits: &mut Vec<Hit>,
) {
    let first_block = blocks.start;
    // SAFETY: any CPU will do.
    unsafe {
        let left = first_stage::first_stage::<Rows, 1, 1>(scan, pack, blocks, survivors);
        further_stages::<Rows>(scan, pack, first_block, left, survivors, hits);
    }
}

/// See [`Score`](super::Score).
pub(super) fn score(
    scan: &Scan<'_>,
    words: &[i32],
    blocks: Range<usize>,
    stages: usize,
    sums: &mut Vec<BlockSums>,
) {
    // SAFETY: any CPU will do.
    unsafe {
        score::score::<Rows>(scan, words, blocks, stages, sums);
    }
}
