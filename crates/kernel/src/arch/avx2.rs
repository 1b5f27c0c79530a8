//! One block × up to 2 queries at a time: codes widened to 16 bits, multiplied and added in pairs.
//! VPMADDUBSW would save the widening, but its 16-bit sums saturate.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16,
    _mm256_cvtepu8_epi16, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256,
};

use super::Hits;
use crate::blocks::{BLOCK_ROWS, LINE_BYTES};
use crate::pack::{Floors, PACK_QUERIES, Pack};

/// See [`Find`](super::Find).
#[target_feature(enable = "avx2")]
pub(super) fn find(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    let starts = pack.starts(floors);
    let blocks = blocks.chunks_exact(pack.groups() * LINE_BYTES);
    for (number, block) in blocks.enumerate().skip(from) {
        let mut query = 0;
        while query < pack.count() {
            if query + 2 <= pack.count() {
                score::<2>(block, number, pack, query, &starts, hits);
                query += 2;
            } else {
                score::<1>(block, number, pack, query, &starts, hits);
                query += 1;
            }
        }
        if hits.are_enough(pack) {
            return Some(number + 1);
        }
    }
    None
}

/// Notes the rows of a block that reach the floor of QUERIES queries from the `first` on.
#[inline]
#[target_feature(enable = "avx2")]
fn score<const QUERIES: usize>(
    block: &[u8],
    number: usize,
    pack: &Pack,
    first: usize,
    starts: &[i32; PACK_QUERIES],
    hits: &mut Hits,
) {
    /// Four rows of a line, 16 bytes, fill a register once widened.
    const QUARTERS: usize = 4;
    const QUARTER_BYTES: usize = LINE_BYTES / QUARTERS;

    let mut sums = [[_mm256_setzero_si256(); QUARTERS]; QUERIES];
    let words = pack.words().chunks_exact(pack.width());
    for (line, words) in block.as_chunks::<LINE_BYTES>().0.iter().zip(words) {
        let mut widened = [_mm256_setzero_si256(); QUARTERS];
        for (quarter, widened) in widened.iter_mut().enumerate() {
            let bytes = &line[quarter * QUARTER_BYTES..][..QUARTER_BYTES];
            // SAFETY: the slice is 16 bytes long, and the load needs no alignment.
            let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) };
            *widened = _mm256_cvtepu8_epi16(bytes);
        }
        for (sums, &word) in sums.iter_mut().zip(&words[first..first + QUERIES]) {
            let codes = _mm256_cvtepi8_epi16(_mm_set1_epi32(word));
            for (sum, &widened) in sums.iter_mut().zip(&widened) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(widened, codes));
            }
        }
    }

    for (query, sums) in (first..).zip(&sums) {
        let mut excess = [0i32; BLOCK_ROWS];
        for (half, pair) in sums.as_chunks::<2>().0.iter().enumerate() {
            // Each row has two sums side by side. Adding neighbours leaves rows 0 1, 4 5, 2 3, 6 7.
            let added = _mm256_hadd_epi32(pair[0], pair[1]);
            let in_order = _mm256_permute4x64_epi64::<0b11_01_10_00>(added);
            let from_floor = _mm256_add_epi32(in_order, _mm256_set1_epi32(starts[query]));
            let rows = &mut excess[half * BLOCK_ROWS / 2..][..BLOCK_ROWS / 2];
            // SAFETY: the slice is 8 integers long, the register's 32 bytes.
            unsafe { _mm256_storeu_si256(rows.as_mut_ptr().cast::<__m256i>(), from_floor) };
        }
        hits.note_reached(number, query, &excess);
    }
}
