//! VPDPBUSD multiplies a line, 64 bytes of codes, with the 4 codes of a query in each lane and adds
//! them up per row.
//!
//! A tile is 16 rows × up to 24 queries, whose sums fill 24 of the 32 registers. It could be taller
//! and narrower, but a block alone is read in the order of its bytes, which the CPU foresees: four
//! blocks side by side were half as fast from memory. And each line is loaded for 24
//! multiplications, so that even main memory keeps up with them.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_max_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::Hits;
use crate::blocks::{BLOCK_ROWS, LINE_BYTES};
use crate::pack::{Floors, Pack};

/// See [`Find`](super::Find).
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn find(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    match pack.width() {
        1 => find_alone(blocks, pack, floors, from, hits),
        4 => find_together::<4>(blocks, pack, floors, from, hits),
        8 => find_together::<8>(blocks, pack, floors, from, hits),
        16 => find_together::<16>(blocks, pack, floors, from, hits),
        _ => find_together::<24>(blocks, pack, floors, from, hits),
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn find_together<const QUERIES: usize>(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    let (words, rest) = pack.words().as_chunks::<QUERIES>();
    assert!(
        rest.is_empty() && words.len() == pack.groups(),
        "a pack of another width"
    );
    let zero = _mm512_setzero_si512();
    let starts = pack.starts(floors);
    let mut excess = [[0; BLOCK_ROWS]; QUERIES];
    let blocks = blocks.chunks_exact(words.len() * LINE_BYTES);
    for (number, block) in blocks.enumerate().skip(from) {
        let mut sums = [zero; QUERIES];
        for (sum, &start) in sums.iter_mut().zip(&starts) {
            *sum = _mm512_set1_epi32(start);
        }
        for (line, words) in block.as_chunks::<LINE_BYTES>().0.iter().zip(words) {
            let line = load(line);
            for (sum, &word) in sums.iter_mut().zip(words) {
                *sum = _mm512_dpbusd_epi32(*sum, line, _mm512_set1_epi32(word));
            }
        }

        let mut highest = sums[0];
        for &sum in &sums {
            highest = _mm512_max_epi32(highest, sum);
        }
        if _mm512_cmpge_epi32_mask(highest, zero) == 0 {
            continue;
        }
        // By way of memory, so that the sums themselves can stay in registers.
        let mut reached = 0u32;
        for (query, (excess, &sum)) in excess.iter_mut().zip(&sums).enumerate() {
            store(excess, sum);
            let any = _mm512_cmpge_epi32_mask(sum, zero) != 0;
            reached |= u32::from(any) << query;
        }
        while reached != 0 {
            let query = reached.trailing_zeros() as usize;
            note(hits, number, query, &excess[query]);
            reached &= reached - 1;
        }
        if hits.are_enough(pack) {
            return Some(number + 1);
        }
    }
    None
}

/// For one query, with four sums per row, so that no multiplication waits for the one before it.
#[target_feature(enable = "avx512f,avx512vnni")]
fn find_alone(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    const STRANDS: usize = 4;

    assert_eq!(pack.words().len(), pack.groups(), "a pack of another width");
    let (words, last_words) = pack.words().as_chunks::<STRANDS>();
    let zero = _mm512_setzero_si512();
    let start = _mm512_set1_epi32(pack.starts(floors)[0]);
    let blocks = blocks.chunks_exact(pack.groups() * LINE_BYTES);
    for (number, block) in blocks.enumerate().skip(from) {
        let (lines, last_lines) = block.as_chunks::<LINE_BYTES>().0.as_chunks::<STRANDS>();
        let mut sums = [start, zero, zero, zero];
        for (lines, words) in lines.iter().zip(words) {
            for ((sum, line), &word) in sums.iter_mut().zip(lines).zip(words) {
                *sum = _mm512_dpbusd_epi32(*sum, load(line), _mm512_set1_epi32(word));
            }
        }
        for ((sum, line), &word) in sums.iter_mut().zip(last_lines).zip(last_words) {
            *sum = _mm512_dpbusd_epi32(*sum, load(line), _mm512_set1_epi32(word));
        }
        let [a, b, c, d] = sums;
        let sum = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
        if _mm512_cmpge_epi32_mask(sum, zero) == 0 {
            continue;
        }
        let mut excess = [0; BLOCK_ROWS];
        store(&mut excess, sum);
        note(hits, number, 0, &excess);
        if hits.are_enough(pack) {
            return Some(number + 1);
        }
    }
    None
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &[u8; LINE_BYTES]) -> __m512i {
    // SAFETY: a line is 64 bytes long, as the register is, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast::<__m512i>()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(excess: &mut [i32; BLOCK_ROWS], sum: __m512i) {
    // SAFETY: 16 integers are 64 bytes long, as the register is, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(excess.as_mut_ptr().cast::<__m512i>(), sum) }
}

/// Notes the rows of a block whose excess is not negative.
#[inline]
#[target_feature(enable = "avx512f")]
fn note(hits: &mut Hits, block: usize, query: usize, excess: &[i32; BLOCK_ROWS]) {
    // SAFETY: 16 integers are 64 bytes long, as the register is, and the load needs no alignment.
    let sum = unsafe { _mm512_loadu_si512(excess.as_ptr().cast::<__m512i>()) };
    let mask = _mm512_cmpge_epi32_mask(sum, _mm512_setzero_si512());
    if mask != 0 {
        hits.note(block, query, mask, excess);
    }
}
