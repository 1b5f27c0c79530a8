//! Plain loops over the lines, for any CPU.

use super::{Hits, find_by_block};
use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, LINE_BYTES};
use crate::pack::{Floors, Pack};

pub(super) const NAME: &str = "portable";

pub(super) fn find(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    let starts = pack.starts(floors);
    find_by_block(blocks, pack, from, hits, |block, excess| {
        for (query, (sums, start)) in excess.iter_mut().zip(starts).enumerate() {
            *sums = [start; BLOCK_ROWS];
            let words = pack.words().iter().skip(query).step_by(pack.width());
            for (line, &word) in block.as_chunks::<LINE_BYTES>().0.iter().zip(words) {
                add_products(line, word, sums);
            }
        }
    })
}

fn add_products(line: &[u8; LINE_BYTES], word: i32, sums: &mut [i32; BLOCK_ROWS]) {
    let query_codes = word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
    let lanes = line.as_chunks::<GROUP_DIMENSIONS>().0;
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        for (&code, &query_code) in lane.iter().zip(&query_codes) {
            *sum += i32::from(code) * query_code;
        }
    }
}
