use std::cell::Cell;
use std::ops::Range;

use crate::arch::{Hit, Kernel, Scan, Survivors};
use crate::blocks::BLOCK_ROWS;
use crate::instruction_set::chosen;
use crate::pack::{Fetches, PACK_QUERIES, Pack};
use crate::rider::Lowest;
use crate::{Codes, FoldedQuery, Rider, TopRows};

/// Codes of the first stage that stay in a core's own cache while every pack of queries passes over
/// them.
const CHUNK_BYTES: usize = 64 << 10;

/// Most pairs of a block and a query that a chunk has: what they leave over stays in a core's cache
/// too.
const CHUNK_PAIRS: usize = 1536;

/// From so many queries on, some want to go on with almost every block after its first stage.
const MANY: usize = 24;

/// Offers every live row of some rows to `top`.
///
/// Rows of a cosine certainly below `floor` may be left out. Of the others `is_live` is asked about
/// those whose integer score is not below the best one turned away so far, or some time before. A row
/// that is not live counts neither as kept nor as turned away. From `floor` on, what `top` keeps and the
/// best score it turned away are those of offering all live rows, whatever the CPU.
///
/// `rows` begins at a multiple of 16.
///
/// # Panics
///
/// If the query was folded for another frame, or the rows are not of these codes.
pub fn scan_top(
    codes: Codes<'_>,
    rows: Range<usize>,
    query: &FoldedQuery,
    floor: f32,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    let rider = Rider {
        query,
        floor,
        is_live: &is_live,
        top,
    };
    scan_top_many(codes, rows, &mut [rider]);
}

/// What [`scan_top`] does, for many queries while the codes are read once: each rider ends with the
/// same rows kept and the same best score turned away as if it had scanned alone.
///
/// # Panics
///
/// As [`scan_top`].
pub fn scan_top_many(codes: Codes<'_>, rows: Range<usize>, riders: &mut [Rider<'_>]) {
    top_many(chosen(), codes, rows, riders);
}

/// Appends every live row whose integer score is at least `floor`, as (score, row), lower rows
/// first. `is_live` is asked only about those.
///
/// # Panics
///
/// As [`scan_top`].
pub fn scan_above(
    codes: Codes<'_>,
    rows: Range<usize>,
    query: &FoldedQuery,
    floor: i64,
    is_live: impl Fn(u32) -> bool,
    found: &mut Vec<(i64, u32)>,
) {
    above(chosen(), codes, rows, query, floor, is_live, found);
}

pub(crate) fn top_many(
    kernel: &Kernel,
    codes: Codes<'_>,
    rows: Range<usize>,
    riders: &mut [Rider<'_>],
) {
    let riders_len = riders.len();
    let mut packs: Vec<Aboard<'_, '_>> = riders
        .chunks_mut(PACK_QUERIES)
        .map(|riders| {
            let queries = riders.iter().map(|rider| rider.query);
            let mut pack = Pack::new(codes.frame(), queries);
            let lowest: Vec<Lowest> = riders.iter().map(Lowest::of).collect();
            for (place, (rider, lowest)) in riders.iter().zip(&lowest).enumerate() {
                pack.set_floor(place, rider.query, lowest.cosine(rider));
            }
            Aboard {
                pack,
                riders,
                lowest,
            }
        })
        .collect();
    if riders_len >= MANY {
        for (number, aboard) in packs.iter_mut().enumerate() {
            aboard.pack.set_fetches(match number {
                0 => Fetches::EveryBlock,
                _ => Fetches::Nothing,
            });
        }
    }
    let scan = scan_of(codes);
    let widest = packs
        .iter()
        .map(|aboard| aboard.pack.width())
        .max()
        .unwrap_or(1);
    Scratch::with(|scratch| {
        for blocks in chunks(&scan, blocks_of(&codes, &rows), widest, packs.len()) {
            for aboard in &mut packs {
                aboard.ride(kernel, &scan, blocks.clone(), &rows, scratch);
            }
        }
    });
}

/// The riders of a pack.
struct Aboard<'a, 'r> {
    pack: Pack,
    riders: &'a mut [Rider<'r>],
    lowest: Vec<Lowest>,
}

impl Aboard<'_, '_> {
    /// Takes the pack over some blocks.
    fn ride(
        &mut self,
        kernel: &Kernel,
        scan: &Scan<'_>,
        blocks: Range<usize>,
        rows: &Range<usize>,
        scratch: &mut Scratch,
    ) {
        kernel.find(
            scan,
            &self.pack,
            blocks,
            &mut scratch.survivors,
            &mut scratch.hits,
        );
        for hit in scratch.hits.drain(..) {
            let rider = &mut self.riders[hit.query];
            let score = score_of(rider.query, hit);
            // A row that only fills the last block is of no segment.
            if score >= self.lowest[hit.query].score() && rows.contains(&hit.row) {
                let row = hit.row as u32;
                if (rider.is_live)(row) {
                    rider.top.offer(score, row);
                }
            }
        }
        for (place, (rider, lowest)) in self.riders.iter().zip(&mut self.lowest).enumerate() {
            if lowest.rises(rider) {
                self.pack
                    .set_floor(place, rider.query, lowest.cosine(rider));
            }
        }
    }
}

pub(crate) fn above(
    kernel: &Kernel,
    codes: Codes<'_>,
    rows: Range<usize>,
    query: &FoldedQuery,
    floor: i64,
    is_live: impl Fn(u32) -> bool,
    found: &mut Vec<(i64, u32)>,
) {
    let mut pack = Pack::new(codes.frame(), std::iter::once(query));
    pack.set_floor(0, query, query.estimate(floor) - query.error());
    let scan = scan_of(codes);
    Scratch::with(|scratch| {
        for blocks in chunks(&scan, blocks_of(&codes, &rows), pack.width(), 1) {
            kernel.find(
                &scan,
                &pack,
                blocks,
                &mut scratch.survivors,
                &mut scratch.hits,
            );
            for hit in scratch.hits.drain(..) {
                let score = score_of(query, hit);
                if score >= floor && rows.contains(&hit.row) && is_live(hit.row as u32) {
                    found.push((score, hit.row as u32));
                }
            }
        }
    });
}

/// What one thread needs beside the codes.
#[derive(Default)]
struct Scratch {
    survivors: Survivors,
    hits: Vec<Hit>,
}

impl Scratch {
    /// Lends out this thread's: fresh memory at every scan would cost more than a short one does.
    fn with(work: impl FnOnce(&mut Self)) {
        thread_local! {
            static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
        }
        SCRATCH.with(|kept| {
            let mut scratch = kept.take().unwrap_or_default();
            scratch.hits.clear();
            work(&mut scratch);
            kept.set(Some(scratch));
        });
    }
}

fn score_of(query: &FoldedQuery, hit: Hit) -> i64 {
    let offset = query.stages().last().map_or(0, |stage| stage.offset);
    FoldedQuery::whole(hit.coarse - offset, hit.fine - query.fine_offset())
}

fn scan_of(codes: Codes<'_>) -> Scan<'_> {
    let frame = codes.frame();
    Scan::new(frame, frame.rows, &frame.sections(), codes.bytes())
}

fn blocks_of(codes: &Codes<'_>, rows: &Range<usize>) -> Range<usize> {
    assert!(
        (rows.is_empty() || rows.start.is_multiple_of(BLOCK_ROWS)) && rows.end <= codes.rows(),
        "rows {rows:?} of {}",
        codes.rows()
    );
    rows.start / BLOCK_ROWS..rows.end.div_ceil(BLOCK_ROWS)
}

/// Some blocks in chunks: small first, as what is found there raises floors that are low.
fn chunks(
    scan: &Scan<'_>,
    blocks: Range<usize>,
    width: usize,
    packs: usize,
) -> impl Iterator<Item = Range<usize>> {
    const FIRST: usize = 8;
    let by_pairs = CHUNK_PAIRS / width;
    let by_bytes = match packs {
        1 => by_pairs,
        _ => CHUNK_BYTES / scan.first_stage_bytes(),
    };
    let largest = by_pairs.min(by_bytes).max(1);
    let (mut next, mut len) = (blocks.start, FIRST.min(largest));
    std::iter::from_fn(move || {
        let chunk = next..blocks.end.min(next + len);
        next = chunk.end;
        len = (2 * len).min(largest);
        (!chunk.is_empty()).then_some(chunk)
    })
}
