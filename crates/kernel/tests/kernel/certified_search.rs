//! A proven search, put together from the kernel's pieces as its first page says.

use std::collections::HashSet;

use vectra_kernel::{FoldedQuery, Probed, Query, TopRows, probe, scan_above, scan_top};

use crate::laid_out::{LaidOut, Layout};

/// Rows quantised together; global row numbers start at `first`.
pub(crate) struct Segment<'a> {
    first: u32,
    rows: LaidOut<'a>,
}

/// Cuts rows into segments of at most so many.
pub(crate) fn segments(
    layout: Layout,
    dimension: usize,
    rows: &[f32],
    rows_each: usize,
) -> Vec<Segment<'_>> {
    let parts = rows.chunks(dimension * rows_each).enumerate();
    parts
        .map(|(part, vectors)| Segment {
            first: (part * rows_each) as u32,
            rows: LaidOut::new(layout, dimension, vectors),
        })
        .collect()
}

impl Segment<'_> {
    pub(crate) fn is_in_stages(&self) -> bool {
        self.rows.is_in_stages()
    }

    fn global(&self, row: u32) -> u32 {
        self.first + self.rows.number(row)
    }

    /// Two stretches of rows, scanned one after the other.
    fn halves(&self) -> [std::ops::Range<usize>; 2] {
        let end = self.rows.rows().end;
        let middle = (end / 2).next_multiple_of(16).min(end);
        [0..middle, middle..end]
    }
}

/// How much a search looks at before it is certain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) k: usize,
    /// Rows kept beyond k.
    pub(crate) slack: usize,
    /// Rows looked at in all segments before the scan; at 0 the scan begins without a floor.
    pub(crate) probed: usize,
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
    effort: Effort,
) -> Certified {
    let Effort { k, slack, probed } = effort;
    let mut answer = Answer {
        query,
        k,
        best: Vec::new(),
        scored: HashSet::new(),
    };
    let folded: Vec<FoldedQuery> = segments
        .iter()
        .map(|segment| query.fold(segment.rows.codes()))
        .collect();

    if probed > 0 {
        let parts: Vec<Probed<'_>> = segments
            .iter()
            .zip(&folded)
            .map(|(segment, query)| Probed {
                codes: segment.rows.codes(),
                query,
            })
            .collect();
        let live = |part: usize, row| is_live(segments[part].global(row));
        for (part, row) in probe(&parts, probed, k, live) {
            assert!(live(part, row), "row {row} was probed and is dead");
            answer.score(&segments[part], row);
        }
    }
    let floor = answer.kth().unwrap_or(f32::NEG_INFINITY);

    let mut dropped: Vec<Option<i64>> = Vec::new();
    let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
    for (index, (segment, folded)) in segments.iter().zip(&folded).enumerate() {
        let mut top = TopRows::new(k + slack);
        for rows in segment.halves() {
            let live = |row| is_live(segment.global(row));
            scan_top(segment.rows.codes(), rows, folded, floor, live, &mut top);
        }
        dropped.push(top.best_dropped());
        candidates.extend(
            top.into_sorted()
                .iter()
                .map(|&(score, row)| (folded.upper(score), index, row)),
        );
    }

    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (upper, index, row) in candidates {
        if answer.kth().is_some_and(|kth| f64::from(kth) > upper) {
            break;
        }
        answer.score(&segments[index], row);
    }

    for ((segment, folded), dropped) in segments.iter().zip(&folded).zip(dropped) {
        let Some(dropped) = dropped else { continue };
        let floor = match answer.kth() {
            Some(kth) if f64::from(kth) > folded.upper(dropped) => continue,
            Some(kth) => folded.floor_for(kth),
            None => i64::MIN,
        };
        let mut found = Vec::new();
        for rows in segment.halves() {
            let live = |row| is_live(segment.global(row));
            scan_above(segment.rows.codes(), rows, folded, floor, live, &mut found);
        }
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
        let global_row = segment.global(row);
        if !self.scored.insert(global_row) {
            return;
        }
        let score = self.query.score(segment.rows.vector(row));
        self.best.push((score, global_row));
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
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
}
