use crate::arch::{BlockSums, Kernel, Scan};
use crate::blocks::BLOCK_ROWS;
use crate::instruction_set::chosen;
use crate::pack::words;
use crate::{Codes, FoldedQuery, TopRows};

/// Rows that are looked at where no leaves tell which.
const SAMPLED_ROWS: usize = 128;

/// Offers `top` some rows that are likely to be among the best: those of the leaves whose means are
/// closest to the query, or else of a sample. So the scan of all rows can begin with a high floor.
///
/// At least `rows` of them are looked at, if there are so many, dead ones included. Their scores are
/// integer scores without the query's fine part: to rank by, not for a bound.
///
/// # Panics
///
/// If the query was folded for another frame.
pub fn probe(
    codes: Codes<'_>,
    query: &FoldedQuery,
    rows: usize,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    probe_on(chosen(), codes, query, rows, is_live, top);
}

pub(crate) fn probe_on(
    kernel: &Kernel,
    codes: Codes<'_>,
    query: &FoldedQuery,
    rows: usize,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    let frame = codes.frame();
    let words: Vec<i32> = words(query.coarse()).collect();
    assert_eq!(
        words.len(),
        crate::blocks::groups(frame.dimension),
        "codes of another dimension than the query's"
    );
    let mut sums: Vec<BlockSums> = Vec::new();
    let mut blocks = Vec::new();
    match &frame.leaves {
        Some(leaves) => {
            let sections = frame.leaf_sections(leaves);
            let count = frame.rows.div_ceil(leaves.rows);
            let means = Scan::new(frame, count, &sections, &leaves.codes);
            // The first stage tells leaves apart well enough: means have little beyond it.
            kernel.score(&means, &words, 0..means.blocks(), 1, &mut sums);
            // One leaf more than fills the wish, as the last of the segment may be short.
            let wanted = (rows.div_ceil(leaves.rows) + 1).min(count);
            let ranked = highest(sums.iter().flatten().take(count), wanted);
            let mut looked_at = 0;
            for leaf in ranked {
                if looked_at >= rows {
                    break;
                }
                let begin = leaf * leaves.rows;
                let end = frame.rows.min(begin + leaves.rows);
                looked_at += end - begin;
                blocks.extend(begin / BLOCK_ROWS..end.div_ceil(BLOCK_ROWS));
            }
        }
        None => {
            let all = frame.rows.div_ceil(BLOCK_ROWS);
            let wanted = rows.max(SAMPLED_ROWS).div_ceil(BLOCK_ROWS).min(all);
            blocks.extend((0..wanted).map(|number| number * all / wanted));
        }
    }

    let scan = Scan::new(frame, frame.rows, &frame.sections(), codes.bytes());
    let offset = query.stages().last().map_or(0, |stage| stage.offset);
    for run in blocks.chunk_by(|&block, &next| next == block + 1) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else {
            continue;
        };
        sums.clear();
        kernel.score(
            &scan,
            &words,
            first..last + 1,
            frame.stages.len(),
            &mut sums,
        );
        for (row, &sum) in (first * BLOCK_ROWS..scan.rows()).zip(sums.iter().flatten()) {
            let score = FoldedQuery::whole(i64::from(sum) - offset, 0);
            if score >= top.floor() && is_live(row as u32) {
                top.offer(score, row as u32);
            }
        }
    }
}

/// The places of the highest of some numbers, highest first: a few, so that one pass with few changes
/// finds them.
fn highest<'a>(numbers: impl Iterator<Item = &'a i32>, wanted: usize) -> Vec<usize> {
    let mut best: Vec<(i32, usize)> = Vec::with_capacity(wanted + 1);
    for (place, &number) in numbers.enumerate() {
        if best.len() < wanted || best.last().is_some_and(|last| number > last.0) {
            let at = best.partition_point(|&(better, _)| better >= number);
            best.insert(at, (number, place));
            best.truncate(wanted);
        }
    }
    best.into_iter().map(|(_, place)| place).collect()
}
