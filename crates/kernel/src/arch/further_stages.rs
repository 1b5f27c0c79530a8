//! The further stages of a scan, for any instruction set: they go through the pairs of a block and a query
//! that the stage before left over, with nothing to foretell there either.

use super::Hit;
use super::first_stage::{Survivors, parts};
use super::lanes::{Lanes, threshold};
use super::prefetch;
use super::scan_lines::Scan;
use crate::blocks::BLOCK_ROWS;
use crate::pack::{Fetches, Pack};

/// Pairs that are multiplied side by side: no multiplication has to wait for the one before it, and the
/// lines of the next so many come meanwhile.
const TOGETHER: usize = 4;

/// What no stage rules out of the pairs that the first one left over: rows that may matter.
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
    let whole = pairs.len() / TOGETHER * TOGETHER;
    let (mut at, mut left) = (0, 0);
    // SAFETY: the CPU has the instructions, by the caller's word; there are so many pairs.
    unsafe {
        while at < whole {
            // Of many queries the first pack has asked for all of these already.
            if stage == 1 && pack.fetches() == Fetches::ByPair {
                let end = pairs.len().min(at + 2 * TOGETHER);
                ask_for(scan, stage, first_block, &pairs[at + TOGETHER..end]);
            }
            left = some_pairs::<L, TOGETHER>(scan, pack, stage, first_block, pairs, at, left);
            at += TOGETHER;
        }
        while at < pairs.len() {
            left = some_pairs::<L, 1>(scan, pack, stage, first_block, pairs, at, left);
            at += 1;
        }
    }
    left
}

/// Multiplies `PAIRS` pairs from `at` on, and moves those that this stage leaves over to `left` and behind;
/// returns where the next belongs.
///
/// # Safety
///
/// The CPU has the instructions of `L`; there are so many pairs, of this pack and these blocks, and `left` is
/// not beyond `at`.
#[inline(always)]
unsafe fn some_pairs<L: Lanes, const PAIRS: usize>(
    scan: &Scan<'_>,
    pack: &Pack,
    stage: usize,
    first_block: usize,
    pairs: &mut [u32],
    at: usize,
    left: usize,
) -> usize {
    let thresholds = pack.thresholds(stage);
    let (base, slope) = (thresholds.base.as_ptr(), thresholds.slope.as_ptr());
    let this = &scan.stages[stage];
    let first_left = left;
    let mut left = left;
    let mut some = [0; PAIRS];
    let mut blocks = [0; PAIRS];
    let mut words = [pack.coarse().as_ptr(); PAIRS];
    let mut reach = [0; PAIRS];
    // SAFETY: the CPU has the instructions, by the caller's word; thresholds are what they should be. Pairs
    // are of the pack's queries; as many are kept at most as there were.
    unsafe {
        let mut i = 0;
        while i < PAIRS {
            some[i] = *pairs.get_unchecked(at + i);
            let (block, query) = parts(some[i]);
            blocks[i] = first_block + block;
            words[i] = words[i].add(query * pack.groups());
            reach[i] = threshold(*base.add(query), *slope.add(query), this.tail(blocks[i]));
            i += 1;
        }
        let sums = sums_until::<L, PAIRS>(scan, words, blocks, stage);
        let mut i = 0;
        while i < PAIRS {
            *pairs.get_unchecked_mut(left) = some[i];
            left += usize::from(sums[i].reaching(reach[i]) != 0);
            i += 1;
        }
    }
    ask_for(scan, stage + 1, first_block, &pairs[first_left..left]);
    left
}

/// Asks for the lines that these pairs will want in a stage, if there is one.
#[inline(always)]
fn ask_for(scan: &Scan<'_>, stage: usize, first_block: usize, pairs: &[u32]) {
    let Some(stage) = scan.stages.get(stage) else {
        return;
    };
    for &pair in pairs {
        let (block, _) = parts(pair);
        for line in stage.block(first_block + block) {
            prefetch::to_first_level(line);
        }
    }
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
        let words = [
            pack.coarse()[words.clone()].as_ptr(),
            pack.fine()[words].as_ptr(),
        ];
        let (mut coarse, mut fine) = ([0; BLOCK_ROWS], [0; BLOCK_ROWS]);
        // SAFETY: the CPU has the instructions, by the caller's word; thresholds are what they should
        // be; there are as many words as lines.
        let reach = unsafe {
            let sums = sums_until::<L, 2>(scan, words, [block; 2], last);
            sums[0].store(&mut coarse);
            sums[1].store(&mut fine);
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

/// The sums of some blocks, each with the words of one query, up to the end of a stage.
///
/// # Safety
///
/// The CPU has the instructions of `L`; there are such blocks, and a word for each of a block's lines.
#[inline(always)]
unsafe fn sums_until<L: Lanes, const PAIRS: usize>(
    scan: &Scan<'_>,
    words: [*const i32; PAIRS],
    blocks: [usize; PAIRS],
    last_stage: usize,
) -> [L; PAIRS] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [L::zero(); PAIRS];
        let mut number = 0;
        while number <= last_stage {
            let stage = scan.stages.get_unchecked(number);
            let (count, first_word) = (stage.groups.len(), stage.groups.start);
            let mut lines = [stage.lines.as_ptr(); PAIRS];
            let mut words = words;
            let mut i = 0;
            while i < PAIRS {
                lines[i] = lines[i].add(blocks[i] * count);
                words[i] = words[i].add(first_word);
                i += 1;
            }
            if number == 0 {
                L::multiply_lines(&mut sums, lines, words, 1);
                shift_each(&mut sums, scan.lead_shift);
                let (mut next_lines, mut next_words) = (lines, words);
                let mut i = 0;
                while i < PAIRS {
                    next_lines[i] = lines[i].add(1);
                    next_words[i] = words[i].add(1);
                    i += 1;
                }
                L::multiply_lines(&mut sums, next_lines, next_words, count - 1);
            } else {
                shift_each(&mut sums, stage.shift);
                L::multiply_lines(&mut sums, lines, words, count);
            }
            number += 1;
        }
        sums
    }
}

#[inline(always)]
unsafe fn shift_each<L: Lanes, const PAIRS: usize>(sums: &mut [L; PAIRS], bits: u32) {
    let mut i = 0;
    while i < PAIRS {
        // SAFETY: the caller's.
        sums[i] = unsafe { sums[i].shift(bits) };
        i += 1;
    }
}
