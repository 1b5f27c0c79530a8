use crate::blocks::{GROUP_DIMENSIONS, groups};
use crate::rounding::up_to_f32;
use crate::{FoldedQuery, Frame};

/// The most queries of a pack: their sums fill 24 of the 32 registers of AVX-512.
pub(crate) const PACK_QUERIES: usize = 24;

/// Room for a pack's queries in whole registers.
pub(crate) const PLACES: usize = 32;

/// The widths that a pack can have; fewer queries leave places empty.
const WIDTHS: [usize; 5] = [1, 4, 8, 16, PACK_QUERIES];

/// No sum leaves ±2²⁹ ([`Frame::sums_fit`]), so a base within this keeps its meaning; with a slope
/// within half of it, and tails of 2, a threshold stays within 32 bits.
const FARTHEST: f64 = (1u32 << 29) as f64;

/// Who asks for the lines of the second stage, so that they are there when pairs come to it: waiting for
/// lines took a quarter of a scan's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetches {
    /// Few queries are aboard: each pair a little before its turn, as most blocks are never wanted.
    ByPair,
    /// Many are, and this pack is the first of them: those of every block, as somebody will want them.
    EveryBlock,
    /// Many are, and the first pack has asked for them.
    Nothing,
}

/// A few queries side by side, as a tile multiplies them.
pub(crate) struct Pack {
    fetches: Fetches,
    width: usize,
    groups: usize,
    /// Group by group, each query's 4 codes in one word, the first in its lowest byte; 0 in the places
    /// left empty.
    words: Vec<i32>,
    /// Query by query, the same words, of the coarse codes and of the fine ones.
    coarse: Vec<i32>,
    fine: Vec<i32>,
    stages: Vec<Thresholds>,
}

/// What the sums of a stage must reach, so that a row can matter: base − slope · tail, per query.
///
/// Finite and within ±2³⁰ for any tail of a sound frame.
#[derive(Clone)]
pub(crate) struct Thresholds {
    pub(crate) base: [f32; PLACES],
    pub(crate) slope: [f32; PLACES],
}

impl Pack {
    /// Packs 1…[`PACK_QUERIES`] queries folded into one frame; none of them wants to hear of any row
    /// until [`Pack::set_floor`].
    pub(crate) fn new<'a>(frame: &Frame, queries: impl Iterator<Item = &'a FoldedQuery>) -> Self {
        let groups = groups(frame.dimension);
        let (mut coarse, mut fine) = (Vec::new(), Vec::new());
        let mut count = 0;
        for query in queries {
            assert_eq!(
                groups * GROUP_DIMENSIONS,
                query.coarse().len(),
                "codes of another dimension than the query's"
            );
            coarse.extend(words(query.coarse()));
            fine.extend(words(query.fine()));
            count += 1;
        }
        let fits = WIDTHS.into_iter().find(|&width| width >= count);
        let width = fits.unwrap_or(PACK_QUERIES);
        let mut side_by_side = vec![0; groups * width];
        for (query, words) in coarse.chunks_exact(groups).enumerate() {
            for (group, &word) in words.iter().enumerate() {
                side_by_side[group * width + query] = word;
            }
        }
        let silent = Thresholds {
            base: [FARTHEST as f32; PLACES],
            slope: [0.0; PLACES],
        };
        Self {
            fetches: Fetches::ByPair,
            width,
            groups,
            words: side_by_side,
            coarse,
            fine,
            stages: vec![silent; frame.stages.len()],
        }
    }

    /// From now on a query wants to hear of rows whose cosine may reach `floor`, of any row if that is
    /// −∞.
    pub(crate) fn set_floor(&mut self, place: usize, query: &FoldedQuery, floor: f64) {
        for (thresholds, stage) in self.stages.iter_mut().zip(query.stages()) {
            let reached = (floor - query.constant() - stage.error) / stage.scale;
            let base = reached + stage.offset as f64;
            let slope = stage.tail / stage.scale;
            // Three float32 roundings, of which none moves more than 2⁻²⁴ of the largest number in it
            // (a tail is 2.001 at most), and the cut to a whole number.
            let slack = (base.abs() + 4.0 * slope) * f64::from(f32::EPSILON) * 2.0 + 2.0;
            (thresholds.base[place], thresholds.slope[place]) = if slope < FARTHEST / 2.0 {
                let base = (base - slack).clamp(-FARTHEST, FARTHEST);
                (base as f32, up_to_f32(slope))
            } else {
                (-FARTHEST as f32, 0.0)
            };
        }
    }

    /// From now on the pack asks for lines in another way.
    pub(crate) fn set_fetches(&mut self, fetches: Fetches) {
        self.fetches = fetches;
    }

    pub(crate) fn fetches(&self) -> Fetches {
        self.fetches
    }

    /// The number of places, not all of them taken.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The words of each query.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// The words of all queries, `width` for each group.
    pub(crate) fn words(&self) -> &[i32] {
        &self.words
    }

    /// The coarse words of all queries, query by query, one for each group.
    pub(crate) fn coarse(&self) -> &[i32] {
        &self.coarse
    }

    /// The fine words, likewise.
    pub(crate) fn fine(&self) -> &[i32] {
        &self.fine
    }

    /// What sums must reach at the end of a stage.
    pub(crate) fn thresholds(&self, stage: usize) -> &Thresholds {
        &self.stages[stage]
    }
}

/// Four codes to a word, the first in its lowest byte.
pub(crate) fn words(codes: &[i8]) -> impl Iterator<Item = i32> {
    let groups = codes.as_chunks::<GROUP_DIMENSIONS>().0.iter();
    groups.map(|&[a, b, c, d]| {
        i32::from_le_bytes([
            a.cast_unsigned(),
            b.cast_unsigned(),
            c.cast_unsigned(),
            d.cast_unsigned(),
        ])
    })
}
