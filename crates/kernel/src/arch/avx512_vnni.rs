//! VPDPBUSD multiplies a line, 64 bytes of codes, with the 4 codes of a query in each lane and adds
//! them up per row.
//!
//! A tile is 16 rows × up to 24 queries, whose sums fill 24 of the 32 registers. It could be taller
//! and narrower, but a block alone is read in the order of its bytes, which the CPU foresees: four
//! blocks side by side were half as fast from memory. And each line is loaded for 24
//! multiplications, so that even main memory keeps up with them.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm512_add_epi32, _mm512_cmpge_epi32_mask, _mm512_cvttps_epi32,
    _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_compress_epi32,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_si512,
    _mm512_sll_epi32, _mm512_storeu_si512, _mm512_sub_ps, _mm512_test_epi16_mask,
};
use std::ops::Range;

use super::first_stage::{self, Survivors};
use super::further_stages::further_stages;
use super::lanes::Lanes;
use super::scan_lines::Scan;
use super::score;
use super::{BlockSums, Hit};
use crate::blocks::Line;
use crate::pack::{PLACES, Pack};

#[derive(Clone, Copy)]
struct Rows(__m512i);

// SAFETY: every method is inlined into `find` or `score`, which enable the instructions.
unsafe impl Lanes for Rows {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the CPU has the instructions, by the caller's word.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn store(self, sums: &mut BlockSums) {
        // SAFETY: 16 integers are 64 bytes, as the register is, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), self.0) };
    }

    #[inline(always)]
    unsafe fn reaching(self, threshold: i32) -> u16 {
        // SAFETY: the CPU has the instructions, by the caller's word.
        unsafe { _mm512_cmpge_epi32_mask(self.0, _mm512_set1_epi32(threshold)) }
    }

    #[inline(always)]
    unsafe fn shift(self, bits: u32) -> Self {
        // SAFETY: the CPU has the instructions, by the caller's word.
        Self(unsafe { _mm512_sll_epi32(self.0, _mm_cvtsi32_si128(bits.cast_signed())) })
    }

    #[inline(always)]
    unsafe fn multiply(self, line: &Line, word: i32) -> Self {
        // SAFETY: a line is 64 bytes long, as the register is, and the load needs no alignment.
        unsafe {
            let line = _mm512_loadu_si512(line.as_ptr().cast());
            Self(_mm512_dpbusd_epi32(self.0, line, _mm512_set1_epi32(word)))
        }
    }

    #[inline(always)]
    unsafe fn thresholds(base: &[f32; 16], slope: &[f32; 16], tail: f32) -> BlockSums {
        // SAFETY: 16 numbers are 64 bytes, as the register is, and loads and stores need no alignment.
        unsafe {
            let product = _mm512_mul_ps(_mm512_loadu_ps(slope.as_ptr()), _mm512_set1_ps(tail));
            let exact = _mm512_sub_ps(_mm512_loadu_ps(base.as_ptr()), product);
            let mut thresholds = [0; 16];
            _mm512_storeu_si512(thresholds.as_mut_ptr().cast(), _mm512_cvttps_epi32(exact));
            thresholds
        }
    }

    #[inline(always)]
    unsafe fn number_alive(reaching: &[u16; PLACES], first: u32, numbers: *mut u32) -> usize {
        // SAFETY: 32 numbers of 16 bits fill a register, of 32 bits two; there is room for both, and
        // nothing here needs alignment.
        unsafe {
            let rows = _mm512_loadu_si512(reaching.as_ptr().cast());
            let alive = _mm512_test_epi16_mask(rows, rows);
            let counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let low = _mm512_add_epi32(counting, _mm512_set1_epi32(first.cast_signed()));
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(16));
            let (low_alive, high_alive) = (alive as u16, (alive >> 16) as u16);
            let low = _mm512_maskz_compress_epi32(low_alive, low);
            _mm512_storeu_si512(numbers.cast(), low);
            let high = _mm512_maskz_compress_epi32(high_alive, high);
            let low_count = low_alive.count_ones() as usize;
            _mm512_storeu_si512(numbers.add(low_count).cast(), high);
            low_count + high_alive.count_ones() as usize
        }
    }
}

/// See [`Find`](super::Find).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,popcnt")]
pub(super) fn find(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
    hits: &mut Vec<Hit>,
) {
    let first_block = blocks.start;
    let left = match pack.width() {
        1 => first_stage::<4, 1>(scan, pack, blocks, survivors),
        4 => first_stage::<4, 4>(scan, pack, blocks, survivors),
        8 => first_stage::<2, 8>(scan, pack, blocks, survivors),
        16 => first_stage::<3, 8>(scan, pack, blocks, survivors),
        _ => first_stage::<1, 24>(scan, pack, blocks, survivors),
    };
    // SAFETY: this function enables the instructions.
    unsafe { further_stages::<Rows>(scan, pack, first_block, left, survivors, hits) };
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,popcnt")]
fn first_stage<const BLOCKS: usize, const QUERIES: usize>(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
) -> usize {
    // SAFETY: this function enables the instructions.
    unsafe { first_stage::first_stage::<Rows, BLOCKS, QUERIES>(scan, pack, blocks, survivors) }
}

/// See [`Score`](super::Score).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,popcnt")]
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
