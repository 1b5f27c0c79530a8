//! A proven search, put together from the kernel's pieces the way a shard node does it.

use std::cmp::Reverse;
use std::collections::HashSet;

use vectra_kernel::{FoldedQuery, QuantizedRows, Query, TopRows, scan_above, scan_top};

/// Rows quantised together; global row numbers start at `first`.
pub(crate) struct Segment<'a> {
    pub(crate) first: u32,
    pub(crate) vectors: &'a [f32],
    pub(crate) quantized: QuantizedRows,
}

/// Cuts rows into segments of at most so many.
pub(crate) fn segments(dimension: usize, rows: &[f32], rows_each: usize) -> Vec<Segment<'_>> {
    let parts = rows.chunks(dimension * rows_each).enumerate();
    parts
        .map(|(part, vectors)| Segment {
            first: (part * rows_each) as u32,
            vectors,
            quantized: QuantizedRows::quantize(dimension, vectors),
        })
        .collect()
}

/// The answer as (score, global row), and how many rows had to be scored exactly.
pub(crate) struct Certified {
    pub(crate) rows: Vec<(f32, u32)>,
    pub(crate) rescored: usize,
}

pub(crate) fn certified_search(
    query: &Query,
    segments: &[Segment<'_>],
    is_live: impl Fn(u32) -> bool,
    k: usize,
    slack: usize,
) -> Certified {
    let mut answer = Answer {
        query,
        k,
        best: Vec::new(),
        scored: HashSet::new(),
    };

    let mut scanned: Vec<(FoldedQuery, Option<i32>)> = Vec::new();
    let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let codes = segment.quantized.as_codes();
        let folded = query.fold(codes);
        let mut top = TopRows::new(k + slack);
        scan_top(codes, &folded, |row| is_live(segment.first + row), &mut top);
        let dropped = top.best_dropped();
        candidates.extend(
            top.into_sorted()
                .iter()
                .map(|&(score, row)| (folded.upper(score), index, row)),
        );
        scanned.push((folded, dropped));
    }

    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (upper, index, row) in candidates {
        if answer.kth().is_some_and(|kth| f64::from(kth) > upper) {
            break;
        }
        answer.score(&segments[index], row);
    }

    for (segment, (folded, dropped)) in segments.iter().zip(&scanned) {
        let Some(dropped) = *dropped else { continue };
        let floor = match answer.kth() {
            Some(kth) if f64::from(kth) > folded.upper(dropped) => continue,
            Some(kth) => folded.floor_for(kth),
            None => i32::MIN,
        };
        let mut found = Vec::new();
        let live = |row| is_live(segment.first + row);
        scan_above(
            segment.quantized.as_codes(),
            folded,
            floor,
            live,
            &mut found,
        );
        for (_, row) in found {
            answer.score(segment, row);
        }
    }
    Certified {
        rescored: answer.scored.len(),
        rows: answer.best,
    }
}

struct Answer<'a> {
    query: &'a Query,
    k: usize,
    best: Vec<(f32, u32)>,
    scored: HashSet<u32>,
}

impl Answer<'_> {
    fn kth(&self) -> Option<f32> {
        self.best.get(self.k - 1).map(|row| row.0)
    }

    fn score(&mut self, segment: &Segment<'_>, row: u32) {
        let global_row = segment.first + row;
        if !self.scored.insert(global_row) {
            return;
        }
        let dimension = self.query.dimension();
        let vector = &segment.vectors[row as usize * dimension..][..dimension];
        self.best.push((self.query.score(vector), global_row));
        sort_best_first(&mut self.best);
        self.best.truncate(self.k);
    }
}

/// The definition of an answer: every live row scored, by score, then by row.
pub(crate) fn brute_force(
    query: &Query,
    rows: &[f32],
    is_live: impl Fn(u32) -> bool,
    k: usize,
) -> Vec<(f32, u32)> {
    let scored = (0u32..).zip(rows.chunks_exact(query.dimension()));
    let live = scored.filter(|&(row, _)| is_live(row));
    let mut best: Vec<(f32, u32)> = live
        .map(|(row, vector)| (query.score(vector), row))
        .collect();
    sort_best_first(&mut best);
    best.truncate(k);
    best
}

fn sort_best_first(rows: &mut [(f32, u32)]) {
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(Reverse(b.1).cmp(&Reverse(a.1))));
}
