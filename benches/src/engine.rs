//! Proven searches over segments in memory, put together from the kernel's pieces as a shard node does,
//! on threads of its own: the engine without files, raft and HTTP.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use vectra_kernel::{
    FoldedQuery, Probed, QuantizedRows, Query, Rider, TopRows, probe, scan_above, scan_top_many,
};

/// Rows of a segment that one thread scans at a time.
const STRETCH_ROWS: usize = 64 << 10;

/// Rows of all segments that a query looks at first.
const PROBED_ROWS: usize = 2048;

/// Rows kept beyond k.
const SLACK: usize = 246;

/// A segment in memory.
pub struct Segment {
    /// Its codes.
    pub quantized: QuantizedRows,
    /// The number, in the whole set, of each row.
    pub numbers: Vec<u32>,
}

/// A set of rows in segments, and its float32 values.
pub struct Engine<'a> {
    dimension: usize,
    vectors: &'a [f32],
    /// The segments.
    pub segments: Vec<Segment>,
    stretches: Vec<(usize, Range<usize>)>,
}

/// An answer and what its proof took.
#[derive(Default, Clone)]
pub struct Certified {
    /// (score, row), best first.
    pub rows: Vec<(f32, u32)>,
    /// The rows that were scored exactly.
    pub rescored: usize,
    /// Whether the rows kept did not suffice, and a second scan fetched more.
    pub scanned_again: bool,
}

struct Searching<'q> {
    query: &'q Query,
    folded: Vec<FoldedQuery>,
    best: Certified,
    /// (segment, row) scored already.
    seen: Vec<(usize, u32)>,
}

impl<'a> Engine<'a> {
    /// Deals rows out to `segments` segments, as shards are dealt ids, and quantises each.
    #[must_use]
    pub fn new(dimension: usize, vectors: &'a [f32], segments: usize, arrange: bool) -> Self {
        let rows = vectors.len() / dimension;
        let segment = |number: usize| {
            let numbers: Vec<u32> = (number..rows)
                .step_by(segments)
                .map(|row| row as u32)
                .collect();
            let mut values = Vec::with_capacity(numbers.len() * dimension);
            for &row in &numbers {
                values.extend_from_slice(&vectors[row as usize * dimension..][..dimension]);
            }
            if !arrange {
                return Segment {
                    quantized: QuantizedRows::quantize(dimension, &values),
                    numbers,
                };
            }
            let (quantized, order) = QuantizedRows::arrange(dimension, &values);
            let numbers = order.iter().map(|&row| numbers[row as usize]).collect();
            Segment { quantized, numbers }
        };
        let segments: Vec<Segment> = (0..segments).map(segment).collect();
        let mut stretches = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            let rows = segment.quantized.rows();
            let starts = (0..rows).step_by(STRETCH_ROWS);
            stretches.extend(starts.map(|start| (number, start..rows.min(start + STRETCH_ROWS))));
        }
        Self {
            dimension,
            vectors,
            segments,
            stretches,
        }
    }

    /// The bytes of all codes.
    #[must_use]
    pub fn codes(&self) -> Vec<&[u8]> {
        self.segments
            .iter()
            .map(|segment| segment.quantized.codes_bytes())
            .collect()
    }

    /// The `k` rows of the highest cosine to each query, proven, by `threads` threads together.
    #[must_use]
    pub fn search(&self, queries: &[&Query], k: usize, threads: usize) -> Vec<Certified> {
        let searching: Vec<Mutex<Searching<'_>>> = queries
            .iter()
            .map(|query| {
                Mutex::new(Searching {
                    query,
                    folded: Vec::new(),
                    best: Certified::default(),
                    seen: Vec::new(),
                })
            })
            .collect();
        let (boarding, stretch) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = std::sync::Barrier::new(threads);
        let work = || {
            while let Some(one) = searching.get(boarding.fetch_add(1, Ordering::Relaxed)) {
                self.board(&mut lock(one), k);
            }
            barrier.wait();
            while let Some(at) = self.stretches.get(stretch.fetch_add(1, Ordering::Relaxed)) {
                self.scan(at, &searching, k);
            }
        };
        thread::scope(|scope| {
            (1..threads).for_each(|_| {
                scope.spawn(work);
            });
            work();
        });
        searching
            .into_iter()
            .map(|one| {
                one.into_inner()
                    .unwrap_or_else(|panic| panic.into_inner())
                    .best
            })
            .collect()
    }

    fn board(&self, one: &mut Searching<'_>, k: usize) {
        let codes = self.segments.iter().map(|one| one.quantized.as_codes());
        one.folded = codes.map(|codes| one.query.fold(codes)).collect();
        let parts: Vec<Probed<'_>> = self
            .segments
            .iter()
            .zip(&one.folded)
            .map(|(segment, query)| Probed {
                codes: segment.quantized.as_codes(),
                query,
            })
            .collect();
        for (segment, row) in probe(&parts, PROBED_ROWS, k + k / 2, |_, _| true) {
            self.rescore(one, segment, row, k);
            one.seen.push((segment, row));
        }
    }

    fn scan(
        &self,
        (number, rows): &(usize, Range<usize>),
        searching: &[Mutex<Searching<'_>>],
        k: usize,
    ) {
        let codes = self.segments[*number].quantized.as_codes();
        let starts: Vec<(FoldedQuery, f32)> = searching
            .iter()
            .map(|one| {
                let one = lock(one);
                (one.folded[*number].clone(), kth(&one.best, k))
            })
            .collect();
        let mut tops = vec![TopRows::new(k + SLACK); searching.len()];
        let mut riders: Vec<Rider<'_>> = starts
            .iter()
            .zip(&mut tops)
            .map(|((query, floor), top)| Rider {
                query,
                floor: *floor,
                is_live: &|_| true,
                top,
            })
            .collect();
        scan_top_many(codes, rows.clone(), &mut riders);
        for (one, top) in searching.iter().zip(tops) {
            let mut one = lock(one);
            let dropped = top.best_dropped();
            self.settle(&mut one, *number, top.into_sorted(), k);
            let folded = &one.folded[*number];
            if dropped.is_some_and(|score| folded.upper(score) >= f64::from(kth(&one.best, k))) {
                let mut found = Vec::new();
                scan_above(
                    codes,
                    rows.clone(),
                    folded,
                    folded.floor_for(kth(&one.best, k)),
                    |_| true,
                    &mut found,
                );
                one.best.scanned_again = true;
                self.settle(&mut one, *number, found, k);
            }
        }
    }

    fn settle(&self, one: &mut Searching<'_>, segment: usize, found: Vec<(i64, u32)>, k: usize) {
        for (score, row) in found {
            let upper = one.folded[segment].upper(score);
            if upper >= f64::from(kth(&one.best, k)) && !one.seen.contains(&(segment, row)) {
                self.rescore(one, segment, row, k);
            }
        }
    }

    fn rescore(&self, one: &mut Searching<'_>, segment: usize, row: u32, k: usize) {
        let number = self.segments[segment].numbers[row as usize];
        let vector = &self.vectors[number as usize * self.dimension..][..self.dimension];
        let score = one.query.score(vector);
        let rows = &mut one.best.rows;
        one.best.rescored += 1;
        let place =
            rows.partition_point(|&(best, row)| best > score || (best == score && row < number));
        if place < k && rows.get(place) != Some(&(score, number)) {
            rows.insert(place, (score, number));
            rows.truncate(k);
        }
    }
}

fn kth(best: &Certified, k: usize) -> f32 {
    best.rows.get(k - 1).map_or(f32::NEG_INFINITY, |row| row.0)
}

fn lock<'m, T>(mutex: &'m Mutex<T>) -> std::sync::MutexGuard<'m, T> {
    mutex.lock().unwrap_or_else(|panic| panic.into_inner())
}
