//! The first stage of a scan, for any instruction set: tiles of blocks and as many queries as fit into
//! registers. What it cannot rule out is written down, block and query, without a branch, since nobody can
//! foretell which.

use std::ops::Range;

use super::lanes::Lanes;
use super::prefetch;
use super::scan_lines::Scan;
use crate::blocks::Line;
use crate::pack::{Fetches, PACK_QUERIES, PLACES, Pack};

/// How many lines ahead lines are asked for: this stage goes through memory in order, but a CPU that foresees
/// that stops at the end of each page.
const AHEAD_LINES: usize = 40;

/// Pairs of a block and a query that a stage left over.
///
/// Their sums so far are not kept: to write down and read back those of the few that survive costs more
/// than to begin them anew.
#[derive(Default)]
pub(crate) struct Survivors {
    pub(super) pairs: Vec<u32>,
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
        if pack.fetches() == Fetches::EveryBlock {
            ask_for_next_stage::<BLOCKS>(scan, first_block);
        }
        let mut first = 0;
        while first < width {
            let words = words.add(first);
            let mut sums = [[L::zero(); QUERIES]; BLOCKS];
            multiply_group(&mut sums, lines, groups, words);
            shift_all(&mut sums, scan.lead_shift);
            let mut group = 1;
            while group < groups {
                prefetch::to_first_level(lines.wrapping_add(BLOCKS * group + AHEAD_LINES));
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

/// Asks for the lines of some blocks that the next stage begins with.
#[inline(always)]
fn ask_for_next_stage<const BLOCKS: usize>(scan: &Scan<'_>, first_block: usize) {
    let Some(next) = scan.stages.get(1) else {
        return;
    };
    let count = next.groups.len();
    let lines = &next.lines[first_block * count..(first_block + BLOCKS) * count];
    let mut line = 0;
    while line < lines.len() {
        prefetch::to_second_level(&raw const lines[line]);
        line += 1;
    }
}

/// Multiplies a line of each block, `stride` apart, with as many words.
#[inline(always)]
pub(super) unsafe fn multiply_group<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
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

#[inline(always)]
pub(super) unsafe fn shift_all<L: Lanes, const BLOCKS: usize, const QUERIES: usize>(
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
pub(super) fn parts(pair: u32) -> (usize, usize) {
    let query = pair & ((1 << QUERY_BITS) - 1);
    ((pair >> QUERY_BITS) as usize, query as usize)
}
