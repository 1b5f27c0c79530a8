//! Where the stages of a scan end: measured on the rows themselves.

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
    let alive = share_alive(dimension, rows, centre, order, &candidates);

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
fn share_alive(
    dimension: usize,
    rows: &[f32],
    centre: &[f32],
    order: &[u32],
    candidates: &[usize],
) -> Vec<f64> {
    let row = |number: u32| &rows[number as usize * dimension..][..dimension];
    // What is multiplied is the query as it is, with the rows without their centre.
    let queries: Vec<Vec<f32>> = spread(order, QUERIES)
        .map(|number| row(number).iter().zip(centre).map(|(y, c)| y + c).collect())
        .collect();
    let thresholds: Vec<f32> = queries
        .iter()
        .map(|query| {
            let sampled = order.iter().step_by(ONE_IN);
            let mut scores: Vec<f32> = sampled.map(|&number| dot(query, row(number))).collect();
            let rank = RANK.min(scores.len() - 1);
            *scores.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1 - MARGIN
        })
        .collect();

    let leaves: Vec<&[u32]> = order.chunks_exact(LEAF_ROWS).collect();
    let step = leaves.len().div_ceil(LEAVES);
    let mut alive = vec![0usize; candidates.len()];
    let mut looked_at = 0;
    for leaf in leaves.iter().step_by(step) {
        let mut scores = vec![[0.0f32; LEAF_ROWS]; queries.len()];
        let mut begin = 0;
        for (at, &end) in candidates.iter().enumerate() {
            let tails: Vec<f32> = leaf
                .iter()
                .map(|&number| norm(&row(number)[end..]))
                .collect();
            let mut by_tail: Vec<usize> = (0..leaf.len()).collect();
            by_tail.sort_unstable_by(|&a, &b| tails[a].total_cmp(&tails[b]));
            for ((query, scores), &threshold) in queries.iter().zip(&mut scores).zip(&thresholds) {
                for (score, &number) in scores.iter_mut().zip(*leaf) {
                    *score += dot(&query[begin..end], &row(number)[begin..end]);
                }
                let tail = norm(&query[end..]);
                for block in by_tail.chunks_exact(BLOCK_ROWS) {
                    let longest = block.last().map_or(0.0, |&last| tails[last]);
                    let reaches = |&at: &usize| scores[at] + tail * longest >= threshold;
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

/// About so many of the rows, from all parts of the order.
fn spread(order: &[u32], count: usize) -> impl Iterator<Item = u32> {
    let step = order.len().div_ceil(count).max(1);
    order.iter().copied().skip(step / 2).step_by(step)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    const STRIPES: usize = 16;
    let mut sums = [0.0f32; STRIPES];
    let (a, a_rest) = a.as_chunks::<STRIPES>();
    let (b, b_rest) = b.as_chunks::<STRIPES>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

fn norm(values: &[f32]) -> f32 {
    dot(values, values).sqrt()
}
