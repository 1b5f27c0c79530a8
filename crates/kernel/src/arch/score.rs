//! The sums of rows with one query, whatever they are: for a first look, not for a scan.

use std::ops::Range;

use super::BlockSums;
use super::first_stage::{multiply_group, shift_all};
use super::lanes::Lanes;
use super::scan_lines::Scan;
use crate::blocks::BLOCK_ROWS;

/// See [`Score`](super::Score).
///
/// # Safety
///
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn score<L: Lanes>(
    scan: &Scan<'_>,
    words: &[i32],
    blocks: Range<usize>,
    stages: usize,
    sums: &mut Vec<BlockSums>,
) {
    // A few at once: no multiplication has to wait for the one before it.
    const AT_ONCE: usize = 4;
    let whole = blocks.len() / AT_ONCE * AT_ONCE;
    let mut block = blocks.start;
    // SAFETY: the caller's.
    unsafe {
        while block < blocks.start + whole {
            few::<L, AT_ONCE>(scan, words, block, stages, sums);
            block += AT_ONCE;
        }
        while block < blocks.end {
            few::<L, 1>(scan, words, block, stages, sums);
            block += 1;
        }
    }
}

/// The sums of some blocks with one query's words, up to the end of so many stages.
#[inline(always)]
unsafe fn few<L: Lanes, const BLOCKS: usize>(
    scan: &Scan<'_>,
    words: &[i32],
    first_block: usize,
    stages: usize,
    stored: &mut Vec<BlockSums>,
) {
    // SAFETY: the caller's; slices are long enough, as they say.
    unsafe {
        let mut sums = [[L::zero(); 1]; BLOCKS];
        for (number, stage) in scan.stages.iter().take(stages).enumerate() {
            let groups = stage.groups.len();
            let lines = stage.lines[first_block * groups..(first_block + BLOCKS) * groups].as_ptr();
            let words = words[stage.groups.clone()].as_ptr();
            if number > 0 {
                shift_all(&mut sums, stage.shift);
            }
            let mut group = 0;
            while group < groups {
                multiply_group(&mut sums, lines.add(group), groups, words.add(group));
                if number == 0 && group == 0 {
                    shift_all(&mut sums, scan.lead_shift);
                }
                group += 1;
            }
        }
        let mut block = 0;
        while block < BLOCKS {
            let mut one = [0; BLOCK_ROWS];
            sums[block][0].store(&mut one);
            stored.push(one);
            block += 1;
        }
    }
}
