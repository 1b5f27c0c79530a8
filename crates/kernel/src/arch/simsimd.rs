//! Rows taken out of their block and multiplied by simsimd, for CPUs that it has int8 instructions
//! for and that have no tile here.

use std::ops::Range;

use ::simsimd::SpatialSimilarity;

use super::first_stage::{self, Survivors};
use super::further_stages::further_stages;
use super::lanes::Lanes;
use super::portable::reaching;
use super::scan_lines::Scan;
use super::score;
use super::{BlockSums, Hit};
use crate::MAX_DIMENSION;
use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, Line, ZERO_CODE};
use crate::pack::Pack;

#[derive(Clone, Copy)]
struct Rows(BlockSums);

// SAFETY: simsimd looks itself for what the CPU has.
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
        Self(with_products(self.0, std::slice::from_ref(line), &[word]))
    }

    unsafe fn multiply_lines<const BLOCKS: usize>(
        sums: &mut [Self; BLOCKS],
        lines: [*const Line; BLOCKS],
        words: [*const i32; BLOCKS],
        count: usize,
    ) {
        for (sums, (lines, words)) in sums.iter_mut().zip(lines.into_iter().zip(words)) {
            // SAFETY: there are so many, by the caller's word.
            let (lines, words) = unsafe {
                (
                    std::slice::from_raw_parts(lines, count),
                    std::slice::from_raw_parts(words, count),
                )
            };
            sums.0 = with_products(sums.0, lines, words);
        }
    }
}

fn with_products(mut sums: BlockSums, lines: &[Line], words: &[i32]) -> BlockSums {
    let (mut query, mut codes) = ([0i8; MAX_DIMENSION], [0i8; MAX_DIMENSION]);
    let (query, codes) = (
        &mut query[..lines.len() * GROUP_DIMENSIONS],
        &mut codes[..lines.len() * GROUP_DIMENSIONS],
    );
    for (query, word) in query
        .as_chunks_mut::<GROUP_DIMENSIONS>()
        .0
        .iter_mut()
        .zip(words)
    {
        *query = word.to_le_bytes().map(u8::cast_signed);
    }
    // Stored bytes are codes + 128: what that adds is the same for every row.
    let offset = 128 * query.iter().map(|&code| i32::from(code)).sum::<i32>();
    for (row, sum) in sums.iter_mut().enumerate() {
        for (codes, line) in codes
            .as_chunks_mut::<GROUP_DIMENSIONS>()
            .0
            .iter_mut()
            .zip(lines)
        {
            let lane = line.as_chunks::<GROUP_DIMENSIONS>().0[row];
            *codes = lane.map(|byte| (byte ^ ZERO_CODE).cast_signed());
        }
        *sum += inner_product(codes, query) + offset;
    }
    sums
}

/// Σ aᵢ·bᵢ, exact: simsimd adds in 32 bits and only then converts.
fn inner_product(a: &[i8], b: &[i8]) -> i32 {
    // Only slices of two lengths have no product, and no caller has such.
    i8::dot(a, b).map_or(i32::MIN / 4, |sum| sum as i32)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inner_product_is_the_exact_integer_in_every_dimension(
            pairs in prop::collection::vec((-128i8..=127, -128i8..=127), 1..700),
        ) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let exact: i64 = a.iter().zip(&b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            prop_assert_eq!(i64::from(inner_product(&a, &b)), exact);
        }
    }
}
