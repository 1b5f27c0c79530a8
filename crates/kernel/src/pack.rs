use crate::blocks::{GROUP_DIMENSIONS, groups};

/// The most queries of a pack: their sums fill 24 of the 32 registers of AVX-512.
pub(crate) const PACK_QUERIES: usize = 24;

/// The widths that a pack can have; fewer queries leave places empty.
const WIDTHS: [usize; 5] = [1, 4, 8, 16, PACK_QUERIES];

/// No integer score is farther from 0 than 4096 · 127 · 127 < 2²⁷, so a floor clamped to this keeps
/// its meaning, and a score minus it stays within 32 bits.
const FARTHEST_FLOOR: i32 = 1 << 30;

/// A few queries side by side, as a tile multiplies them.
pub(crate) struct Pack {
    count: usize,
    width: usize,
    groups: usize,
    /// Group by group, each query's 4 codes in one word, the first in its lowest byte; 0
    /// in the places left empty.
    words: Vec<i32>,
    /// Query by query, filled up with zeros to whole groups.
    rows: Vec<i8>,
    /// What the sums of a query start from, so that stored bytes (code + 128) give the score:
    /// −128 · Σ codes.
    starts: [i32; PACK_QUERIES],
}

impl Pack {
    /// Packs 1…[`PACK_QUERIES`] queries of one dimension.
    pub(crate) fn new<'a>(dimension: usize, queries: impl Iterator<Item = &'a [i8]>) -> Self {
        let groups = groups(dimension);
        let padded = groups * GROUP_DIMENSIONS;
        let mut rows = Vec::with_capacity(PACK_QUERIES * padded);
        let mut starts = [0; PACK_QUERIES];
        let mut count = 0;
        for (codes, start) in queries.zip(&mut starts) {
            rows.extend_from_slice(codes);
            count += 1;
            rows.resize(count * padded, 0);
            *start = -128 * codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        }
        let fits = WIDTHS.into_iter().find(|&width| width >= count);
        let width = fits.unwrap_or(PACK_QUERIES);
        let mut words = vec![0; groups * width];
        for (query, codes) in rows.chunks_exact(padded).enumerate() {
            for (group, codes) in codes.as_chunks::<GROUP_DIMENSIONS>().0.iter().enumerate() {
                words[group * width + query] = i32::from_le_bytes(codes.map(i8::cast_unsigned));
            }
        }
        Self {
            count,
            width,
            groups,
            words,
            rows,
            starts,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The number of places, `count` of them taken.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The lines of a block that these queries fit.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// `groups` × `width` words.
    pub(crate) fn words(&self) -> &[i32] {
        &self.words
    }

    /// The codes of each query, `groups` · 4 of them.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[i8]> {
        self.rows.chunks_exact(self.groups * GROUP_DIMENSIONS)
    }

    /// What the sums of each query start from so that they end as score − floor.
    pub(crate) fn starts(&self, floors: &Floors) -> [i32; PACK_QUERIES] {
        std::array::from_fn(|query| self.starts[query] - floors.0[query])
    }
}

/// The lowest score that each query of a pack wants to hear of.
#[derive(Clone, Copy)]
pub(crate) struct Floors([i32; PACK_QUERIES]);

impl Floors {
    /// Of queries that want to hear of no row.
    pub(crate) fn new() -> Self {
        Self([FARTHEST_FLOOR; PACK_QUERIES])
    }

    pub(crate) fn set(&mut self, query: usize, floor: i32) {
        self.0[query] = floor.clamp(-FARTHEST_FLOOR, FARTHEST_FLOOR);
    }

    pub(crate) fn get(&self, query: usize) -> i32 {
        self.0[query]
    }
}
