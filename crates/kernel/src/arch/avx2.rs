//! Codes widened to 16 bits, multiplied and added in pairs: two sums to a row, side by side, which
//! are added up at the end. VPMADDUBSW would save the widening, but its 16-bit sums saturate.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_set1_epi32, _mm256_add_epi32,
    _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_movemask_ps, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sll_epi32, _mm256_storeu_si256,
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

/// Four rows to a register, two sums to a row.
#[derive(Clone, Copy)]
struct Rows([__m256i; 4]);

impl Rows {
    /// One sum to a row.
    #[inline(always)]
    unsafe fn in_order(self) -> [__m256i; 2] {
        let [a, b, c, d] = self.0;
        // SAFETY: the CPU has the instructions, by the caller's word.
        [(a, b), (c, d)].map(|(first, second)| unsafe {
            // Adding neighbours leaves rows 0 1, 4 5, 2 3, 6 7.
            _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(first, second))
        })
    }
}

// SAFETY: every method is inlined into `find` or `score`, which enable the instructions.
unsafe impl Lanes for Rows {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the CPU has the instructions, by the caller's word.
        Self([unsafe { _mm256_setzero_si256() }; 4])
    }

    #[inline(always)]
    unsafe fn store(self, sums: &mut BlockSums) {
        // SAFETY: half of the sums are 32 bytes, as the register is; it needs no alignment.
        unsafe {
            let [low, high] = self.in_order();
            let first = sums.as_mut_ptr().cast::<__m256i>();
            _mm256_storeu_si256(first, low);
            _mm256_storeu_si256(first.add(1), high);
        }
    }

    #[inline(always)]
    unsafe fn reaching(self, threshold: i32) -> u16 {
        // SAFETY: the CPU has the instructions, by the caller's word.
        unsafe {
            let threshold = _mm256_set1_epi32(threshold);
            let [low, high] = self.in_order().map(|half| {
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
            Self(self.0.map(|four| _mm256_sll_epi32(four, bits)))
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, line: &Line, word: i32) -> Self {
        let mut sums = self.0;
        // SAFETY: a line is four times 16 bytes, and the loads need no alignment.
        unsafe {
            let codes = _mm256_cvtepi8_epi16(_mm_set1_epi32(word));
            let first = line.as_ptr().cast::<__m128i>();
            for (four, sum) in sums.iter_mut().enumerate() {
                let bytes = _mm_loadu_si128(first.add(four));
                let products = _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), codes);
                *sum = _mm256_add_epi32(*sum, products);
            }
        }
        Self(sums)
    }
}

/// See [`Find`](super::Find).
#[target_feature(enable = "avx2")]
pub(super) fn find(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
    hits: &mut Vec<Hit>,
) {
    let first_block = blocks.start;
    let left = match pack.width() {
        1 => first_stage::<1>(scan, pack, blocks, survivors),
        _ => first_stage::<2>(scan, pack, blocks, survivors),
    };
    // SAFETY: this function enables the instructions.
    unsafe { further_stages::<Rows>(scan, pack, first_block, left, survivors, hits) };
}

#[inline(never)]
#[target_feature(enable = "avx2")]
fn first_stage<const QUERIES: usize>(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
) -> usize {
    // SAFETY: this function enables the instructions.
    unsafe { first_stage::first_stage::<Rows, 1, QUERIES>(scan, pack, blocks, survivors) }
}

/// See [`Score`](super::Score).
#[target_feature(enable = "avx2")]
pub(super) fn score(
    scan: &Scan<'_>,
    words: &[i32],
    blocks: Range<usize>,
    stages: usize,
    sums: &mut Vec<BlockSums>,
) {
    // SAFETY: this function enables the instructions.
    unsafe { score::score::<Rows>(scan, words, blocks, stages, sums) }
}
