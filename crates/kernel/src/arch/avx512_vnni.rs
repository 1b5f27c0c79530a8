//! Tiles of 64 rows × up to 6 queries: VPDPBUSD multiplies 64 bytes of codes with the 4 codes of a
//! query in each lane and adds them up per row.

use std::arch::x86_64::{
    __m512i, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_max_epi32,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::{Hits, TILE_BLOCKS};
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
    match pack.count() {
        1 => find_for::<1>(blocks, pack, floors, from, hits),
        2 => find_for::<2>(blocks, pack, floors, from, hits),
        3 => find_for::<3>(blocks, pack, floors, from, hits),
        4 => find_for::<4>(blocks, pack, floors, from, hits),
        5 => find_for::<5>(blocks, pack, floors, from, hits),
        _ => find_for::<6>(blocks, pack, floors, from, hits),
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn find_for<const QUERIES: usize>(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    assert_eq!(pack.count(), QUERIES, "a pack of another size");
    let block_bytes = pack.groups() * LINE_BYTES;
    let count = blocks.len() / block_bytes;
    let starts = pack.starts(floors);
    let mut block = from;
    while block + TILE_BLOCKS <= count {
        let tile = &blocks[block * block_bytes..][..TILE_BLOCKS * block_bytes];
        if tile_hits::<TILE_BLOCKS, QUERIES>(tile, pack, &starts, hits) {
            hits.first_block = block;
            return Some(block + TILE_BLOCKS);
        }
        block += TILE_BLOCKS;
    }
    while block < count {
        let tile = &blocks[block * block_bytes..][..block_bytes];
        if tile_hits::<1, QUERIES>(tile, pack, &starts, hits) {
            hits.first_block = block;
            return Some(block + 1);
        }
        block += 1;
    }
    None
}

/// Whether any row of the tile reaches the floor that `starts` has taken off; if so, which.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn tile_hits<const BLOCKS: usize, const QUERIES: usize>(
    tile: &[u8],
    pack: &Pack,
    starts: &[i32],
    hits: &mut Hits,
) -> bool {
    let groups = pack.groups();
    let words = pack.words();
    assert!(tile.len() == BLOCKS * groups * LINE_BYTES && words.len() == groups * QUERIES);

    let mut sums = [[_mm512_setzero_si512(); BLOCKS]; QUERIES];
    for (sums, &start) in sums.iter_mut().zip(starts) {
        *sums = [_mm512_set1_epi32(start); BLOCKS];
    }
    let mut lines = [_mm512_setzero_si512(); BLOCKS];
    for group in 0..groups {
        for (block, line) in lines.iter_mut().enumerate() {
            let at = (block * groups + group) * LINE_BYTES;
            // SAFETY: block < BLOCKS and group < groups, so the 64 bytes from `at` on are within
            // the tile, whose length was checked above; the load needs no alignment.
            *line = unsafe { _mm512_loadu_si512(tile.as_ptr().add(at).cast::<__m512i>()) };
        }
        for (query, sums) in sums.iter_mut().enumerate() {
            // SAFETY: group < groups and query < QUERIES, and there are groups × QUERIES words.
            let word = unsafe { *words.get_unchecked(group * QUERIES + query) };
            let codes = _mm512_set1_epi32(word);
            for (sum, &line) in sums.iter_mut().zip(&lines) {
                *sum = _mm512_dpbusd_epi32(*sum, line, codes);
            }
        }
    }

    let zero = _mm512_setzero_si512();
    let mut highest = sums[0][0];
    for sums in &sums {
        for &sum in sums {
            highest = _mm512_max_epi32(highest, sum);
        }
    }
    if _mm512_cmpge_epi32_mask(highest, zero) == 0 {
        return false;
    }
    for (query, sums) in sums.iter().enumerate() {
        let mut all_rows = 0;
        for (block, &sum) in sums.iter().enumerate() {
            let mask = _mm512_cmpge_epi32_mask(sum, zero);
            if mask != 0 {
                let excess = &mut hits.excess[query][block * BLOCK_ROWS..][..BLOCK_ROWS];
                // SAFETY: the slice is 16 integers long, the register's 64 bytes.
                unsafe { _mm512_storeu_si512(excess.as_mut_ptr().cast::<__m512i>(), sum) };
            }
            all_rows |= u64::from(mask) << (block * BLOCK_ROWS);
        }
        hits.masks[query] = all_rows;
    }
    true
}
