use super::BlockSums;
use crate::blocks::Line;
use crate::pack::PLACES;

/// The sums of the 16 rows of a block with one query, in the registers of one instruction set.
///
/// # Safety
///
/// Each method may only be called where the CPU has the instructions, and is inlined into a function
/// that enables them.
pub(super) unsafe trait Lanes: Copy {
    /// No sums yet.
    unsafe fn zero() -> Self;

    /// Writes the sums, row 0 first.
    unsafe fn store(self, sums: &mut BlockSums);

    /// Which sums reach a threshold, row 0 in the lowest bit.
    unsafe fn reaching(self, threshold: i32) -> u16;

    /// Multiplies each sum by 2^`bits`.
    unsafe fn shift(self, bits: u32) -> Self;

    /// Adds, per row, the products of its 4 bytes in the line, taken as unsigned, with the 4 signed
    /// ones of the word.
    unsafe fn multiply(self, line: &Line, word: i32) -> Self;

    /// The same for some blocks side by side, `count` lines of each and a word for each line: no
    /// multiplication has to wait for the one before it.
    #[inline(always)]
    unsafe fn multiply_lines<const BLOCKS: usize>(
        sums: &mut [Self; BLOCKS],
        lines: [*const Line; BLOCKS],
        words: [*const i32; BLOCKS],
        count: usize,
    ) {
        let mut at = 0;
        while at < count {
            let mut block = 0;
            while block < BLOCKS {
                // SAFETY: the CPU has the instructions and there are so many, by the caller's word.
                sums[block] = unsafe {
                    let word = *words[block].add(at);
                    sums[block].multiply(&*lines[block].add(at), word)
                };
                block += 1;
            }
            at += 1;
        }
    }

    /// The thresholds of 16 queries, as [`threshold`] computes them.
    #[inline(always)]
    unsafe fn thresholds(base: &[f32; 16], slope: &[f32; 16], tail: f32) -> BlockSums {
        // SAFETY: the caller's.
        std::array::from_fn(|query| unsafe { threshold(base[query], slope[query], tail) })
    }

    /// Writes first, first + 1, … for each of 32 numbers that is not 0; returns how many those are. There
    /// is room for all.
    #[inline(always)]
    unsafe fn number_alive(reaching: &[u16; PLACES], first: u32, numbers: *mut u32) -> usize {
        let mut count = 0;
        for (number, &rows) in (first..).zip(reaching) {
            // SAFETY: no more than there is room for.
            unsafe { *numbers.add(count) = number };
            count += usize::from(rows != 0);
        }
        count
    }
}

/// Base − slope · tail, cut to a whole number.
///
/// # Safety
///
/// The difference is finite and within ±2³⁰.
#[inline(always)]
pub(super) unsafe fn threshold(base: f32, slope: f32, tail: f32) -> i32 {
    // SAFETY: the caller's.
    unsafe { (base - slope * tail).to_int_unchecked() }
}
