use crate::arch::{Hit, Hits, Kernel};
use crate::blocks::{BLOCK_ROWS, LINE_BYTES, groups};
use crate::instruction_set::chosen;
use crate::pack::{Floors, PACK_QUERIES, Pack};
use crate::{Codes, FoldedQuery, Rider, TopRows};

/// Codes that stay in a core's own cache while every pack of queries passes over them.
const CHUNK_BYTES: usize = 256 << 10;

/// Offers every live row to `top`, lower rows first.
///
/// `is_live` is asked only about rows whose score is not below the best one turned away so far, or
/// some time before. A row that is not live counts neither as kept nor as turned away. What `top`
/// keeps and the best score it turned away are those of offering all live rows, whatever the CPU.
///
/// # Panics
///
/// If the query was folded for another dimension.
pub fn scan_top(
    codes: Codes<'_>,
    query: &FoldedQuery,
    is_live: impl Fn(u32) -> bool,
    top: &mut TopRows,
) {
    let rider = Rider {
        query,
        is_live: &is_live,
        top,
    };
    scan_top_many(codes, &mut [rider]);
}

/// What [`scan_top`] does, for many queries while the codes are read once: each rider ends with the
/// same rows kept and the same best score turned away as if it had scanned alone.
///
/// # Panics
///
/// If a query was folded for another dimension.
pub fn scan_top_many(codes: Codes<'_>, riders: &mut [Rider<'_>]) {
    top_many(chosen(), codes, riders);
}

/// Appends every live row whose integer score is at least `floor`, as (score, row), lower rows
/// first. `is_live` is asked only about those.
///
/// # Panics
///
/// If the query was folded for another dimension.
pub fn scan_above(
    codes: Codes<'_>,
    query: &FoldedQuery,
    floor: i32,
    is_live: impl Fn(u32) -> bool,
    found: &mut Vec<(i32, u32)>,
) {
    above(chosen(), codes, query, floor, is_live, found);
}

pub(crate) fn top_many(kernel: &Kernel, codes: Codes<'_>, riders: &mut [Rider<'_>]) {
    let mut packs: Vec<(Pack, &mut [Rider<'_>])> = riders
        .chunks_mut(PACK_QUERIES)
        .map(|riders| {
            let queries = riders.iter().map(|rider| rider.query);
            (packed(codes, queries), riders)
        })
        .collect();
    let rows_at_once = if packs.len() == 1 {
        codes.rows().max(1)
    } else {
        let block_bytes = groups(codes.dimension()) * LINE_BYTES;
        (CHUNK_BYTES / block_bytes).max(1) * BLOCK_ROWS
    };

    let mut hits = Hits::new();
    for chunk in Chunk::all(codes, rows_at_once) {
        for (pack, riders) in &mut packs {
            ride(kernel, &chunk, pack, riders, &mut hits);
        }
    }
}

/// Takes one pack of queries over some rows.
fn ride(
    kernel: &Kernel,
    chunk: &Chunk<'_>,
    pack: &Pack,
    riders: &mut [Rider<'_>],
    hits: &mut Hits,
) {
    let mut floors = Floors::new();
    for (query, rider) in riders.iter().enumerate() {
        floors.set(query, rider.top.floor());
    }
    let mut next = Some(0);
    while let Some(block) = next {
        next = kernel.find(chunk.blocks, pack, &floors, block, hits);
        for hit in hits.drain() {
            let Some(row) = chunk.row(hit) else { continue };
            let rider = &mut riders[hit.query];
            if (rider.is_live)(row) {
                rider.top.offer(hit.excess + floors.get(hit.query), row);
            }
        }
        for (query, rider) in riders.iter().enumerate() {
            floors.set(query, rider.top.floor());
        }
    }
}

pub(crate) fn above(
    kernel: &Kernel,
    codes: Codes<'_>,
    query: &FoldedQuery,
    floor: i32,
    is_live: impl Fn(u32) -> bool,
    found: &mut Vec<(i32, u32)>,
) {
    let pack = packed(codes, std::iter::once(query));
    let mut floors = Floors::new();
    floors.set(0, floor);
    let mut hits = Hits::new();
    for chunk in Chunk::all(codes, codes.rows().max(1)) {
        let mut next = Some(0);
        while let Some(block) = next {
            next = kernel.find(chunk.blocks, &pack, &floors, block, &mut hits);
            for hit in hits.drain() {
                if let Some(row) = chunk.row(hit).filter(|&row| is_live(row)) {
                    found.push((hit.excess + floors.get(hit.query), row));
                }
            }
        }
    }
}

fn packed<'a>(codes: Codes<'_>, queries: impl Iterator<Item = &'a FoldedQuery>) -> Pack {
    let dimension = codes.dimension();
    let queries = queries.map(|query| {
        assert_eq!(
            dimension,
            query.codes().len(),
            "codes of another dimension than the query's"
        );
        query.codes()
    });
    Pack::new(dimension, queries)
}

/// Some rows of a segment, a whole number of blocks.
struct Chunk<'a> {
    first_row: usize,
    /// The end of the segment's rows; rows that only fill its last block are beyond.
    end_row: usize,
    blocks: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The segment's rows, so many at once: a multiple of a block's unless it is all of them.
    fn all(codes: Codes<'a>, rows_at_once: usize) -> impl Iterator<Item = Self> {
        let block_bytes = groups(codes.dimension()) * LINE_BYTES;
        let blocks_at_once = rows_at_once.div_ceil(BLOCK_ROWS);
        let chunks = codes.blocks().chunks(blocks_at_once * block_bytes);
        chunks.enumerate().map(move |(number, blocks)| Self {
            first_row: number * blocks_at_once * BLOCK_ROWS,
            end_row: codes.rows(),
            blocks,
        })
    }

    /// The row of the segment; `None` for one that only fills the last block.
    fn row(&self, hit: Hit) -> Option<u32> {
        let row = self.first_row + hit.row;
        (row < self.end_row).then_some(row as u32)
    }
}
