//! VPDPBUSD on registers of 256 bits, two to a block: for CPUs that have it without AVX-512, where
//! 16 registers hold the sums of 6 queries. CPUs with AVX-512 have the same instruction in another
//! encoding, with which this way of scanning is tested there.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_dpbusd_avx_epi32,
    _mm256_dpbusd_epi32, _mm256_loadu_si256, _mm256_movemask_ps, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_sll_epi32, _mm256_storeu_si256,
};
use std::ops::Range;

use super::first_stage::{self, Survivors};
use super::further_stages::further_stages;
use super::lanes::Lanes;
use super::scan_lines::Scan;
use super::score;
use super::{BlockSums, Hit};
use crate::blocks::Line;
use crate::pack::Pack;

/// Both encodings of one instruction.
macro_rules! rows {
    ($rows:ident, $multiply:ident, $first:ident, $find:ident, $score:ident, $features:literal) => {
        #[derive(Clone, Copy)]
        struct $rows([__m256i; 2]);

        // SAFETY: every method is inlined into a function that enables the instructions.
        unsafe impl Lanes for $rows {
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the CPU has the instructions, by the caller's word.
                Self([unsafe { _mm256_setzero_si256() }; 2])
            }

            #[inline(always)]
            unsafe fn store(self, sums: &mut BlockSums) {
                // SAFETY: 16 integers fill two registers, and the stores need no alignment.
                unsafe {
                    let first = sums.as_mut_ptr().cast::<__m256i>();
                    _mm256_storeu_si256(first, self.0[0]);
                    _mm256_storeu_si256(first.add(1), self.0[1]);
                }
            }

            #[inline(always)]
            unsafe fn reaching(self, threshold: i32) -> u16 {
                // SAFETY: the CPU has the instructions, by the caller's word.
                unsafe {
                    let threshold = _mm256_set1_epi32(threshold);
                    let [low, high] = self.0.map(|half| {
                        let below = _mm256_cmpgt_epi32(threshold, half);
                        _mm256_movemask_ps(_mm256_castsi256_ps(below))
                    });
                    !(low | high << 8) as u16
                }
            }

            #[inline(always)]
            unsafe fn shift(self, bits: u32) -> Self {
                // SAFETY: the CPU has the instructions, by the caller's word.
                unsafe {
                    let bits = _mm_cvtsi32_si128(bits.cast_signed());
                    Self(self.0.map(|half| _mm256_sll_epi32(half, bits)))
                }
            }

            #[inline(always)]
            unsafe fn multiply(self, line: &Line, word: i32) -> Self {
                // SAFETY: a line fills two registers, and the loads need no alignment.
                unsafe {
                    let first = line.as_ptr().cast::<__m256i>();
                    let word = _mm256_set1_epi32(word);
                    let [low, high] = self.0;
                    Self([
                        $multiply(low, _mm256_loadu_si256(first), word),
                        $multiply(high, _mm256_loadu_si256(first.add(1)), word),
                    ])
                }
            }
        }

        /// See [`Find`](super::Find).
        #[target_feature(enable = $features)]
        pub(super) fn $find(
            scan: &Scan<'_>,
            pack: &Pack,
            blocks: Range<usize>,
            survivors: &mut Survivors,
            hits: &mut Vec<Hit>,
        ) {
            let first_block = blocks.start;
            let left = match pack.width() {
                1 => $first::<1>(scan, pack, blocks, survivors),
                24 => $first::<6>(scan, pack, blocks, survivors),
                _ => $first::<4>(scan, pack, blocks, survivors),
            };
            // SAFETY: this function enables the instructions.
            unsafe { further_stages::<$rows>(scan, pack, first_block, left, survivors, hits) };
        }

        #[inline(never)]
        #[target_feature(enable = $features)]
        fn $first<const QUERIES: usize>(
            scan: &Scan<'_>,
            pack: &Pack,
            blocks: Range<usize>,
            survivors: &mut Survivors,
        ) -> usize {
            // SAFETY: this function enables the instructions.
            unsafe { first_stage::first_stage::<$rows, 1, QUERIES>(scan, pack, blocks, survivors) }
        }

        /// See [`Score`](super::Score).
        #[target_feature(enable = $features)]
        pub(super) fn $score(
            scan: &Scan<'_>,
            words: &[i32],
            blocks: Range<usize>,
            stages: usize,
            sums: &mut Vec<BlockSums>,
        ) {
            // SAFETY: this function enables the instructions.
            unsafe { score::score::<$rows>(scan, words, blocks, stages, sums) }
        }
    };
}

rows!(
    Rows,
    _mm256_dpbusd_avx_epi32,
    first_stage,
    find,
    score,
    "avx2,avxvnni"
);
rows!(
    RowsVl,
    _mm256_dpbusd_epi32,
    first_stage_vl,
    find_vl,
    score_vl,
    "avx2,avx512vl,avx512vnni"
);
