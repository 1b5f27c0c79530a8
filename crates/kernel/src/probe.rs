use std::ops::Range;

use crate::arch::{BlockSums, Kernel, Scan};
use crate::blocks::{BLOCK_ROWS, groups};
use crate::instruction_set::chosen;
use crate::pack::words;
use crate::{Codes, FoldedQuery};

/// Rows of a part that are looked at where no leaves tell which.
const SAMPLED_ROWS: usize = 128;

/// One of the parts that are probed together.
#[derive(Debug, Clone, Copy)]
pub struct Probed<'a> {
    /// Its codes.
    pub codes: Codes<'a>,
    /// The query, folded for them.
    pub query: &'a FoldedQuery,
}

/// Names `most` rows, as (part, row), that are likely to be among the best of all parts, the likeliest first.
/// So the scan of all rows can begin with a high floor.
///
/// At least `rows` rows are looked at, if there are so many, dead ones included: those of the leaves whose means
/// are closest to the query, and a sample of the parts that have none. They are ranked by what their first
/// stage says, which carries the most: good enough to rank by, and no bound. `is_live` is asked about those
/// that could be named, by part and row.
///
/// # Panics
///
/// If a query was folded for another frame.
#[must_use]
pub fn probe(
    parts: &[Probed<'_>],
    rows: usize,
    most: usize,
    is_live: impl Fn(usize, u32) -> bool,
) -> Vec<(usize, u32)> {
    probe_on(chosen(), parts, rows, most, is_live)
}

pub(crate) fn probe_on(
    kernel: &Kernel,
    parts: &[Probed<'_>],
    rows: usize,
    most: usize,
    is_live: impl Fn(usize, u32) -> bool,
) -> Vec<(usize, u32)> {
    let words: Vec<Vec<i32>> = parts
        .iter()
        .map(|part| {
            let words: Vec<i32> = words(part.query.coarse()).collect();
            assert_eq!(
                words.len(),
                groups(part.codes.dimension()),
                "codes of another dimension than the query's"
            );
            words
        })
        .collect();
    let mut likeliest = Likeliest::new(most);
    let mut sums: Vec<BlockSums> = Vec::new();
    let mut look = |number: usize, wanted: Range<usize>, likeliest: &mut Likeliest| {
        let frame = parts[number].codes.frame();
        let scan = Scan::new(
            frame,
            frame.rows,
            &frame.sections(),
            parts[number].codes.bytes(),
        );
        let blocks = wanted.start / BLOCK_ROWS..wanted.end.div_ceil(BLOCK_ROWS);
        sums.clear();
        kernel.score(&scan, &words[number], blocks, 1, &mut sums);
        let rows = wanted.start as u32..wanted.end as u32;
        for (row, &sum) in rows.zip(sums.iter().flatten()) {
            let estimate = parts[number].query.first_estimate(sum);
            if estimate > likeliest.least() && is_live(number, row) {
                likeliest.add((estimate, number, row));
            }
        }
    };

    let mut looked_at = 0;
    for (number, leaf) in closest_leaves(kernel, parts, &words, rows) {
        if looked_at >= rows {
            break;
        }
        looked_at += leaf.len();
        look(number, leaf, &mut likeliest);
    }
    for (number, part) in parts.iter().enumerate() {
        let frame = part.codes.frame();
        if frame.leaves.is_some() {
            continue;
        }
        let all = frame.rows.div_ceil(BLOCK_ROWS);
        let share = rows.div_ceil(parts.len());
        let wanted = share.max(SAMPLED_ROWS).div_ceil(BLOCK_ROWS).min(all);
        for block in (0..wanted).map(|number| number * all / wanted) {
            let first = block * BLOCK_ROWS;
            let block = first..frame.rows.min(first + BLOCK_ROWS);
            look(number, block, &mut likeliest);
        }
    }
    likeliest.into_sorted()
}

/// Leaves of all parts that together have at least so many rows, closest first.
fn closest_leaves(
    kernel: &Kernel,
    parts: &[Probed<'_>],
    words: &[Vec<i32>],
    rows: usize,
) -> Vec<(usize, Range<usize>)> {
    let mut sums: Vec<BlockSums> = Vec::new();
    let mut closest: Vec<(f64, usize, Range<usize>)> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let frame = part.codes.frame();
        let Some(leaves) = &frame.leaves else {
            continue;
        };
        let sections = frame.leaf_sections(leaves);
        let count = frame.rows.div_ceil(leaves.rows);
        let means = Scan::new(frame, count, &sections, &leaves.codes);
        sums.clear();
        // The first stage tells leaves apart well enough: means have little beyond it.
        kernel.score(&means, &words[number], 0..means.blocks(), 1, &mut sums);
        // One leaf more than fills the wish, as the last of the segment may be short.
        let wanted = (rows.div_ceil(leaves.rows) + 1).min(count);
        for leaf in highest(&sums.as_flattened()[..count], wanted) {
            let sum = sums[leaf / BLOCK_ROWS][leaf % BLOCK_ROWS];
            let begin = leaf * leaves.rows;
            let rows = begin..frame.rows.min(begin + leaves.rows);
            closest.push((part.query.first_estimate(sum), number, rows));
        }
    }
    closest.sort_by(|a, b| b.0.total_cmp(&a.0));
    closest
        .into_iter()
        .map(|(_, number, rows)| (number, rows))
        .collect()
}

/// The rows of the highest estimates so far, and some that are no longer.
struct Likeliest {
    most: usize,
    rows: Vec<(f64, usize, u32)>,
    least: f64,
}

impl Likeliest {
    fn new(most: usize) -> Self {
        Self {
            most,
            rows: Vec::with_capacity(2 * most),
            least: if most == 0 { f64::MAX } else { f64::MIN },
        }
    }

    /// Estimates up to this are none of the highest.
    fn least(&self) -> f64 {
        self.least
    }

    fn add(&mut self, row: (f64, usize, u32)) {
        self.rows.push(row);
        if self.rows.len() == 2 * self.most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.rows.len() > self.most {
            let last = self.most - 1;
            let (_, lowest, _) = self
                .rows
                .select_nth_unstable_by(last, |a, b| b.0.total_cmp(&a.0));
            self.least = lowest.0;
            self.rows.truncate(self.most);
        }
    }

    fn into_sorted(mut self) -> Vec<(usize, u32)> {
        self.cut();
        self.rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rows = self.rows.into_iter();
        rows.map(|(_, part, row)| (part, row)).collect()
    }
}

/// The places of the highest of some numbers, highest first: a few, so that one pass with few changes
/// finds them.
fn highest(numbers: &[i32], wanted: usize) -> Vec<usize> {
    let mut best: Vec<(i32, usize)> = Vec::with_capacity(wanted + 1);
    let mut lowest = i32::MIN;
    for (place, &number) in numbers.iter().enumerate() {
        if number > lowest || best.len() < wanted {
            let at = best.partition_point(|&(better, _)| better >= number);
            best.insert(at, (number, place));
            best.truncate(wanted);
            if best.len() == wanted {
                lowest = best.last().map_or(i32::MAX, |last| last.0);
            }
        }
    }
    best.into_iter().map(|(_, place)| place).collect()
}
