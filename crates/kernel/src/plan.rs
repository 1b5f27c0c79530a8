//! Where the stages of a scan end: measured on the rows themselves.

use crate::arch::{Sums, Wide, wide};
use crate::arrangement::LEAF_ROWS;
use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, groups};

/// Rows that serve as queries.
const QUERIES: usize = 24;

/// Leaves that they are tried on.
const LEAVES: usize = 24;

/// Rows that a query's threshold is taken from: one in so many.
const ONE_IN: usize = 4;

/// What the threshold is the score of, the query itself apart: about the tenth best of all rows. A
/// query's own tenth best over many segments is better; but then it is less like the rows than they
/// are like each other.
const RANK: usize = 2;

/// What bounds on rounding take away, as a cosine.
const MARGIN: f32 = 0.008;

/// Costs in multiplications of a line in a tile, as measured with AVX-512: of the tile itself, to go on
/// with a pair that a stage left over, and of each line there, where it is multiplied with one query.
const BEGIN: f64 = 8.0;
const GO_ON: f64 = 14.0;
const ALONE: f64 = 1.7;

/// Stages pay if they save this share of the plain scan.
const WORTH: f64 = 0.12;

/// Where the stages should end, the last at the dimension; one stage where more would not pay.
/// `rows` are rotated and centred.
pub(crate) fn stage_ends(
    dimension: usize,
    rows: &[f32],
    centre: &[f32],
    order: &[u32],
) -> Vec<usize> {
    let plain = vec![dimension];
    let candidates = candidates(dimension);
    if order.len() < 4 * LEAF_ROWS || candidates.is_empty() {
        return plain;
    }
    let alive = wide(ShareAlive {
        dimension,
        rows,
        centre,
        order,
        candidates: &candidates,
    });

    // The cheapest way to each candidate, and where the stage before ended.
    let lines = |end: usize| groups(end) as f64;
    let whole = BEGIN + lines(dimension);
    let mut best: Vec<(f64, Option<usize>)> = Vec::new();
    let ends: Vec<usize> = candidates.iter().copied().chain([dimension]).collect();
    for (at, &end) in ends.iter().enumerate() {
        let mut cheapest = (BEGIN + lines(end), None);
        for before in 0..at {
            // A further stage begins anew.
            let step = alive[before] * (GO_ON + ALONE * lines(end));
            let cost = best[before].0 + step;
            if cost < cheapest.0 {
                cheapest = (cost, Some(before));
            }
        }
        best.push(cheapest);
    }
    let (cost, mut before) = best[ends.len() - 1];
    if cost > whole * (1.0 - WORTH) {
        return plain;
    }
    let mut chosen = plain;
    while let Some(at) = before {
        chosen.push(ends[at]);
        before = best[at].1;
    }
    chosen.reverse();
    chosen
}

/// Dimensions that a stage might end before.
fn candidates(dimension: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = 2 * GROUP_DIMENSIONS;
    while end + GROUP_DIMENSIONS < dimension {
        ends.push(end);
        end = (end + end / 5)
            .next_multiple_of(GROUP_DIMENSIONS)
            .max(end + GROUP_DIMENSIONS);
    }
    ends
}

/// The share of blocks that a query is not done with at each candidate.
struct ShareAlive<'a> {
    dimension: usize,
    rows: &'a [f32],
    centre: &'a [f32],
    order: &'a [u32],
    candidates: &'a [usize],
}

impl Wide for ShareAlive<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self, sums: impl Sums) -> Vec<f64> {
        let Self {
            dimension,
            rows,
            centre,
            order,
            candidates,
        } = self;
        let row = |number: u32| &rows[number as usize * dimension..][..dimension];
        // What is multiplied is the query as it is, with the rows without their centre.
        let queries: Vec<Vec<f32>> = spread(order, QUERIES)
            .map(|number| row(number).iter().zip(centre).map(|(y, c)| y + c).collect())
            .collect();
        // Each row is read once, for all queries.
        let mut sampled = vec![Vec::with_capacity(order.len().div_ceil(ONE_IN)); queries.len()];
        for &number in order.iter().step_by(ONE_IN) {
            let row = row(number);
            for (query, scores) in queries.iter().zip(&mut sampled) {
                scores.push(sums.dot(query, row));
            }
        }
        let rank = RANK.min(order.len().div_ceil(ONE_IN) - 1);
        let thresholds: Vec<f32> = sampled
            .iter_mut()
            .map(|scores| *scores.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1 - MARGIN)
            .collect();
        drop(sampled);

        let leaves: Vec<&[u32]> = order.chunks_exact(LEAF_ROWS).collect();
        let step = leaves.len().div_ceil(LEAVES);
        let mut alive = vec![0usize; candidates.len()];
        let mut looked_at = 0;
        // Dimension by dimension the values of a leaf's rows, so that loops go over rows.
        let mut columns = vec![0.0f32; dimension * LEAF_ROWS];
        let mut tails = vec![0.0f32; candidates.len() * LEAF_ROWS];
        let mut scores = vec![0.0f32; queries.len() * LEAF_ROWS];
        let mut by_tail: Vec<(f32, usize)> = Vec::with_capacity(LEAF_ROWS);
        for leaf in leaves.iter().step_by(step) {
            for (at, &number) in leaf.iter().enumerate() {
                let column = columns[at..].iter_mut().step_by(LEAF_ROWS);
                column.zip(row(number)).for_each(|(to, &value)| *to = value);
            }
            tails_from_each(&columns, candidates, &mut tails);
            scores.fill(0.0);
            let mut begin = 0;
            for ((at, &end), tails) in (0..).zip(candidates).zip(tails.chunks_exact(LEAF_ROWS)) {
                by_tail.clear();
                by_tail.extend(tails.iter().copied().zip(0..));
                by_tail.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
                let scores = scores.chunks_exact_mut(LEAF_ROWS);
                for ((query, scores), &threshold) in queries.iter().zip(scores).zip(&thresholds) {
                    let part = columns[begin * LEAF_ROWS..].chunks_exact(LEAF_ROWS);
                    for (&weight, column) in query[begin..end].iter().zip(part) {
                        for (score, &value) in scores.iter_mut().zip(column) {
                            *score += weight * value;
                        }
                    }
                    let rest = &query[end..];
                    let tail = sums.dot(rest, rest).sqrt();
                    for block in by_tail.chunks_exact(BLOCK_ROWS) {
                        let longest = block.last().map_or(0.0, |last| last.0);
                        let reaches =
                            |&(_, at): &(f32, usize)| scores[at] + tail * longest >= threshold;
                        alive[at] += usize::from(block.iter().any(reaches));
                    }
                }
                begin = end;
            }
            looked_at += queries.len() * LEAF_ROWS / BLOCK_ROWS;
        }
        alive
            .iter()
            .map(|&alive| alive as f64 / looked_at.max(1) as f64)
            .collect()
    }
}

/// For each candidate the norms of a leaf's rows from there on.
#[inline(always)]
fn tails_from_each(columns: &[f32], candidates: &[usize], tails: &mut [f32]) {
    let mut squares = [0.0f32; LEAF_ROWS];
    let mut begin = columns.len() / LEAF_ROWS;
    let tails = tails.chunks_exact_mut(LEAF_ROWS);
    for (&end, tails) in candidates.iter().zip(tails).rev() {
        let part = columns[end * LEAF_ROWS..begin * LEAF_ROWS].chunks_exact(LEAF_ROWS);
        for column in part {
            for (square, &value) in squares.iter_mut().zip(column) {
                *square += value * value;
            }
        }
        for (tail, square) in tails.iter_mut().zip(&squares) {
            *tail = square.sqrt();
        }
        begin = end;
    }
}

/// About so many of the rows, from all parts of the order.
fn spread(order: &[u32], count: usize) -> impl Iterator<Item = u32> {
    let step = order.len().div_ceil(count).max(1);
    order.iter().copied().skip(step / 2).step_by(step)
}
