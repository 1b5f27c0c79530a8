//! A scan stage by stage, for any instruction set: what a stage cannot rule out goes on to the next.
//!
//! The first stage multiplies tiles, a block with as many queries as fit into registers. What it
//! leaves over is written down, block and query, without a branch, since nobody can foretell which; the
//! further stages go through these lists, with nothing to foretell there either.

use std::ops::Range;

use super::lanes::{Lanes, threshold};
use super::scan_lines::Scan;
use super::{BlockSums, Hit};
use crate::blocks::{BLOCK_ROWS, Line};
use crate::pack::{PACK_QUERIES, PLACES, Pack};

/// How many entries ahead lines are asked for.
const AHEAD: usize = 8;

/// The same in the first stage, in lines: it goes through memory in order, but a CPU that foresees that
/// stops at the end of each page.
const AHEAD_LINES: usize = 40;

/// Pairs of a block and a query that a stage left over.
///
/// Their sums so far are not kept: to write down and read back those of the few that survive costs more
/// than to begin them anew.
#[derive(Default)]
pub(crate) struct Survivors {
    pairs: Vec<u32>,
}

/// A block, counted from the first of a call, and a query in its lowest bits.
const QUERY_BITS: u32 = 5;

const _: () = assert!(PACK_QUERIES <= 1 << QUERY_BITS);

impl Survivors {
    /// Makes room for so many, and for a register more, as a register is written at a time.
    fn reserve(&mut self, most: usize) {
        let most = most + PLACES;
        if self.pairs.len() < most {
            self.pairs.resize(most, 0);
        }
    }
}

/// The first stage of some blocks; returns how many pairs it leaves over. A tile is `BLOCKS` blocks by
/// `QUERIES` queries, a divisor of the pack's width.
///
/// Loops are written out by index: behind iterators, functions this large are not inlined whole.
///
/// # Safety
///
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn first_stage<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: Range<usize>,
    survivors: &mut Survivors,
) -> usize {
    let most = blocks.len() * pack.width();
    survivors.reserve(most);
    assert!(
        pack.width().is_multiple_of(QUERIES),
        "a pack of another width"
    );
    let pairs = survivors.pairs.as_mut_ptr();
    let mut count = 0;
    let whole = blocks.len() / BLOCKS * BLOCKS;
    let mut at = 0;
    // SAFETY: the caller's; tiles are of these blocks and this pack, and leave over no more pairs than
    // there is room for.
    unsafe {
        while at < whole {
            count += tiles::<L, BLOCKS, QUERIES>(scan, pack, &blocks, at, pairs.add(count));
            at += BLOCKS;
        }
        while at < blocks.len() {
            count += tiles::<L, 1, QUERIES>(scan, pack, &blocks, at, pairs.add(count));
            at += 1;
        }
    }
    count
}

/// `BLOCKS` blocks, from number `at` of some, with all queries of a pack: writes the pairs left over, and
/// returns how many.
///
/// # Safety
///
/// The CPU has the instructions of `L`; there are so many blocks, QUERIES divides the pack's width, and
/// there is room for as many pairs and a register more.
#[inline(always)]
unsafe fn tiles<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
    scan: &Scan<'_>,
    pack: &Pack,
    blocks: &Range<usize>,
    at: usize,
    pairs: *mut u32,
) -> usize {
    let stage = &scan.stages[0];
    let thresholds = pack.thresholds(0);
    let (width, groups) = (pack.width(), stage.groups.len());
    let first_block = blocks.start + at;
    let lines = stage.lines[first_block * groups..(first_block + BLOCKS) * groups].as_ptr();
    let words = pack.words()[..groups * width].as_ptr();
    let (bases, slopes) = (
        thresholds.base.as_chunks().0,
        thresholds.slope.as_chunks().0,
    );
    let mut reach = [[0; PLACES]; BLOCKS];
    let mut count = 0;
    // SAFETY: the CPU has the instructions, by the caller's word; thresholds are what they should be.
    // There are `groups` lines for each block, and `width` words for each of them.
    unsafe {
        let mut block = 0;
        while block < BLOCKS {
            let tail = stage.tail(first_block + block);
            let places = reach[block].as_chunks_mut().0;
            places[0] = L::thresholds(&bases[0], &slopes[0], tail);
            if width > 16 {
                places[1] = L::thresholds(&bases[1], &slopes[1], tail);
            }
            block += 1;
        }
        let mut first = 0;
        while first < width {
            let words = words.add(first);
            let mut sums = [[L::zero(); QUERIES]; BLOCKS];
            multiply_group(&mut sums, lines, groups, words);
            shift_all(&mut sums, scan.lead_shift);
            let mut group = 1;
            while group < groups {
                L::prefetch(lines.wrapping_add(BLOCKS * group + AHEAD_LINES));
                multiply_group(
                    &mut sums,
                    lines.add(group),
                    groups,
                    words.add(group * width),
                );
                group += 1;
            }
            let mut reaching = [[0u16; PLACES]; BLOCKS];
            let mut block = 0;
            while block < BLOCKS {
                let reach = reach[block].as_ptr().add(first);
                let mut query = 0;
                while query < QUERIES {
                    let rows = sums[block][query].reaching(*reach.add(query));
                    // Volatile: else the compiler gathers them in a register, one slow move each.
                    (&raw mut reaching[block][query]).write_volatile(rows);
                    query += 1;
                }
                block += 1;
            }
            let mut block = 0;
            while block < BLOCKS {
                let first_pair = ((at + block) << QUERY_BITS | first) as u32;
                count += L::number_alive(&reaching[block], first_pair, pairs.add(count));
                block += 1;
            }
            first += QUERIES;
        }
    }
    count
}

/// Multiplies a line of each block, `stride` apart, with as many words.
#[inline(always)]
unsafe fn multiply_group<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
    sums: &mut [[L; QUERIES]; BLOCKS],
    lines: *const Line,
    stride: usize,
    words: *const i32,
) {
    let mut query = 0;
    while query < QUERIES {
        let mut block = 0;
        while block < BLOCKS {
            // SAFETY: the caller's.
            sums[block][query] = unsafe {
                sums[block][query].multiply(&*lines.add(block * stride), *words.add(query))
            };
            block += 1;
        }
        query += 1;
    }
}

/// The further stages, for the pairs that the first one left over, and the rows that none of them
/// ruled out.
///
/// # Safety
///
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn further_stages<L: Lanes>(
    scan: &Scan<'_>,
    pack: &Pack,
    first_block: usize,
    left: usize,
    survivors: &mut Survivors,
    hits: &mut Vec<Hit>,
) {
    let mut left = left;
    for stage in 1..scan.stages.len() {
        let pairs = &mut survivors.pairs[..left];
        // SAFETY: the caller's.
        left = unsafe { further_stage::<L>(scan, pack, stage, first_block, pairs) };
    }
    // SAFETY: the caller's.
    unsafe { note_hits::<L>(scan, pack, first_block, &survivors.pairs[..left], hits) };
}

/// Moves the pairs that this stage leaves over to the front; returns how many they are.
#[inline(always)]
unsafe fn further_stage<L: Lanes>(
    scan: &Scan<'_>,
    pack: &Pack,
    stage: usize,
    first_block: usize,
    pairs: &mut [u32],
) -> usize {
    let thresholds = pack.thresholds(stage);
    let (base, slope) = (thresholds.base.as_ptr(), thresholds.slope.as_ptr());
    let words_each = pack.groups();
    let words = pack.coarse();
    let this = &scan.stages[stage];
    let is_alone = pack.width() == 1;
    let (mut at, mut left) = (0, 0);
    while at < pairs.len() {
        // SAFETY: the CPU has the instructions, by the caller's word; thresholds are what they should
        // be. Pairs are of the pack's queries; as many are kept at most as there were.
        unsafe {
            let pair = *pairs.get_unchecked(at);
            let (block, query) = parts(pair);
            // Of many queries another has just been here, or will soon be.
            if is_alone && at + AHEAD < pairs.len() {
                let (block, _) = parts(*pairs.get_unchecked(at + AHEAD));
                for line in this.block(first_block + block) {
                    L::prefetch(line);
                }
            }
            let tail = this.tail(first_block + block);
            let reach = threshold(*base.add(query), *slope.add(query), tail);
            let words = words[query * words_each..].as_ptr();
            let sums = sums_until::<L>(scan, words, first_block + block, stage);
            *pairs.get_unchecked_mut(left) = pair;
            left += usize::from(sums.reaching(reach) != 0);
        }
        at += 1;
    }
    left
}

/// Writes down the rows that no stage ruled out, with their coarse and fine sums.
#[inline(always)]
unsafe fn note_hits<L: Lanes>(
    scan: &Scan<'_>,
    pack: &Pack,
    first_block: usize,
    pairs: &[u32],
    hits: &mut Vec<Hit>,
) {
    let last = scan.stages.len() - 1;
    let thresholds = pack.thresholds(last);
    for &pair in pairs {
        let (block, query) = parts(pair);
        let block = first_block + block;
        let words = query * pack.groups()..(query + 1) * pack.groups();
        let (coarse_words, fine_words) = (&pack.coarse()[words.clone()], &pack.fine()[words]);
        let (mut coarse, mut fine) = ([0; BLOCK_ROWS], [0; BLOCK_ROWS]);
        // SAFETY: the CPU has the instructions, by the caller's word; thresholds are what they should
        // be; there are as many words as lines.
        let reach = unsafe {
            sums_until::<L>(scan, coarse_words.as_ptr(), block, last).store(&mut coarse);
            sums_until::<L>(scan, fine_words.as_ptr(), block, last).store(&mut fine);
            threshold(thresholds.base[query], thresholds.slope[query], 0.0)
        };
        for (lane, (&coarse, &fine)) in coarse.iter().zip(&fine).enumerate() {
            if coarse >= reach {
                hits.push(Hit {
                    query,
                    row: block * BLOCK_ROWS + lane,
                    coarse: i64::from(coarse),
                    fine: i64::from(fine),
                });
            }
        }
    }
}

/// The sums of a block with one query's words, up to the end of a stage.
#[inline(always)]
unsafe fn sums_until<L: Lanes>(
    scan: &Scan<'_>,
    words: *const i32,
    block: usize,
    last_stage: usize,
) -> L {
    // SAFETY: the CPU has the instructions and there is a word for each line, by the caller's word.
    unsafe {
        let first = &scan.stages[0];
        let lines = first.block(block);
        let mut sums = L::zero()
            .multiply(&*lines.as_ptr(), *words)
            .shift(scan.lead_shift);
        sums = sums.multiply_all(lines.as_ptr().add(1), words.add(1), lines.len() - 1);
        let mut number = 1;
        while number <= last_stage {
            let stage = scan.stages.get_unchecked(number);
            let (lines, words) = (stage.block(block), words.add(stage.groups.start));
            sums = sums
                .shift(stage.shift)
                .multiply_all(lines.as_ptr(), words, lines.len());
            number += 1;
        }
        sums
    }
}

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

#[inline(always)]
unsafe fn shift_all<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
    sums: &mut [[L; QUERIES]; BLOCKS],
    bits: u32,
) {
    if bits == 0 {
        return;
    }
    let mut block = 0;
    while block < BLOCKS {
        let mut query = 0;
        while query < QUERIES {
            // SAFETY: the caller's.
            sums[block][query] = unsafe { sums[block][query].shift(bits) };
            query += 1;
        }
        block += 1;
    }
}

/// The block, counted from the first of the call, and the query.
#[inline(always)]
fn parts(pair: u32) -> (usize, usize) {
    let query = pair & ((1 << QUERY_BITS) - 1);
    ((pair >> QUERY_BITS) as usize, query as usize)
}
