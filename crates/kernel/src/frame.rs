use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, Sections, encoded_len};
use crate::error::LayoutError;
use crate::rotation::Rotation;
use crate::{MAX_DIMENSION, blocks};

/// Everything about a set of quantised rows but their codes: how a vector becomes codes, and how far
/// codes can be from what they stand for.
///
/// A row n, L2-normalised, has the coordinates y = V·n − c, with a rotation V (where there is one)
/// and a centre c. With αᵢ = max |yᵢ| over the rows, rounded up to float32, the code of yᵢ is
/// round(yᵢ / αᵢ · 127), in −127…127.
///
/// The dimensions are scanned in stages. At the end of a stage that is not the last, a block of 16
/// rows can be ruled out: what the dimensions still to come can add to an inner product is at most
/// the norm of the query's part there times that of the row's (Cauchy–Schwarz), whose greatest in
/// the block is the block's tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Values per vector.
    pub dimension: usize,
    /// Number of rows.
    pub rows: usize,
    /// V; none for the identity.
    pub rotation: Option<Rotation>,
    /// c.
    pub centre: Vec<f32>,
    /// α.
    pub alphas: Vec<f32>,
    /// Log₂ of how much finer the weights of a query are from the second group of 4 dimensions on.
    pub lead_shift: u32,
    /// The stages, in order; the last ends at the dimension.
    pub stages: Vec<Stage>,
    /// What to look at first; none where the rows are in no order that tells.
    pub leaves: Option<Leaves>,
}

/// One step of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The dimension that it ends before: a multiple of 4, but for the last.
    pub end: usize,
    /// Log₂ of how much finer its weights of a query are than those of the stage before. Means nothing
    /// for the first.
    pub shift: u32,
    /// The largest L2 distance, over the rows and the dimensions before `end`, between y and what the
    /// codes stand for, rounded up.
    pub residual_norm: f32,
    /// The largest L2 norm of a row's codes before `end`, rounded up.
    pub code_norm: f32,
    /// Per block of 16 rows the largest L2 norm of y from `end` on, rounded up. Empty for the last.
    pub tails: Vec<f32>,
}

/// Rows side by side that are like each other, and for each such leaf its mean: where the mean is
/// close to a query, rows are.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaves {
    /// Rows of each leaf but the last: a multiple of 16.
    pub rows: usize,
    /// The codes of the means, laid out as those of rows are.
    pub codes: Vec<u8>,
}

impl Frame {
    /// The bytes that the codes take: ⌈rows / 16⌉ · ⌈dimension / 4⌉ · 64.
    #[must_use]
    pub fn codes_len(&self) -> usize {
        encoded_len(self.dimension, self.rows)
    }

    /// Checks that every part fits the shape, so that no scan reads beyond.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] says which part does not fit.
    pub fn check(&self) -> Result<(), LayoutError> {
        let dimension = self.dimension;
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(LayoutError::Dimension { got: dimension });
        }
        let blocks = self.rows.div_ceil(BLOCK_ROWS);
        list("alphas", &self.alphas, dimension, 0.0)?;
        list("centre", &self.centre, dimension, f32::MIN)?;
        if let Some(rotation) = &self.rotation {
            list(
                "rotation",
                rotation.matrix(),
                dimension * dimension,
                f32::MIN,
            )?;
            list("rotation defect", &[rotation.defect()], 1, 0.0)?;
        }
        let mut begin = 0;
        for (number, stage) in self.stages.iter().enumerate() {
            let is_last = number + 1 == self.stages.len();
            let is_whole = stage.end.is_multiple_of(GROUP_DIMENSIONS);
            let fits = stage.end > begin && (is_last == (stage.end == dimension));
            if !fits || !(is_last || is_whole) {
                return Err(LayoutError::Stage {
                    number,
                    got: stage.end,
                });
            }
            begin = stage.end;
            list(
                "norms of a stage",
                &[stage.residual_norm, stage.code_norm],
                2,
                0.0,
            )?;
            list("tails", &stage.tails, if is_last { 0 } else { blocks }, 0.0)?;
            // Of a difference between two vectors of norm 1 at most.
            if let Some(index) = stage.tails.iter().position(|&tail| tail > LONGEST_TAIL) {
                return Err(LayoutError::Value {
                    what: "tails",
                    index,
                    got: stage.tails[index],
                });
            }
        }
        if self.stages.is_empty() || !self.sums_fit() {
            return Err(LayoutError::Shifts);
        }
        if let Some(leaves) = &self.leaves {
            let whole = leaves.rows > 0 && leaves.rows.is_multiple_of(BLOCK_ROWS);
            let expected = if whole {
                encoded_len(dimension, self.rows.div_ceil(leaves.rows))
            } else {
                0
            };
            if !whole || leaves.codes.len() != expected {
                return Err(LayoutError::Leaves {
                    rows: leaves.rows,
                    expected,
                    got: leaves.codes.len(),
                });
            }
        }
        Ok(())
    }

    /// Whether no sum of products, shifted, leaves ±2²⁹.
    pub(crate) fn sums_fit(&self) -> bool {
        const LARGEST_PRODUCT: u64 = 127 * 255;
        const MOST: u32 = 24;
        if self.lead_shift > MOST || self.stages.iter().any(|stage| stage.shift > MOST) {
            return false;
        }
        let mut largest = 0u64;
        for range in self.ranges() {
            largest = (largest << range.shift) + LARGEST_PRODUCT * range.dimensions.len() as u64;
            if largest >= 1 << 29 {
                return false;
            }
        }
        true
    }

    /// The dimensions whose weights share a scale: the first group, the rest of the first stage, and
    /// each further stage.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> {
        let first_end = self.stages.first().map_or(0, |stage| stage.end);
        let lead = GROUP_DIMENSIONS.min(first_end);
        let first = [(0, lead, 0), (lead, first_end, self.lead_shift)];
        let mut begin = first_end;
        let others = self.stages.iter().skip(1).map(move |stage| {
            let range = (begin, stage.end, stage.shift);
            begin = stage.end;
            range
        });
        first
            .into_iter()
            .chain(others)
            .map(|(begin, end, shift)| Range {
                dimensions: begin..end,
                shift,
            })
    }

    pub(crate) fn sections(&self) -> Sections {
        Sections::new(self.rows, self.stages.iter().map(|stage| stage.end))
    }

    /// The lines of the means of the leaves: stage by stage as well.
    pub(crate) fn leaf_sections(&self, leaves: &Leaves) -> Sections {
        let count = self.rows.div_ceil(leaves.rows);
        Sections::new(count, self.stages.iter().map(|stage| stage.end))
    }
}

/// No tail is longer, but for rounding.
pub(crate) const LONGEST_TAIL: f32 = 2.001;

/// Dimensions whose weights share a scale, `shift` bits finer than that of those before.
pub(crate) struct Range {
    pub(crate) dimensions: std::ops::Range<usize>,
    pub(crate) shift: u32,
}

fn list(
    what: &'static str,
    values: &[f32],
    expected: usize,
    least: f32,
) -> Result<(), LayoutError> {
    if values.len() != expected {
        return Err(LayoutError::Count {
            what,
            expected,
            got: values.len(),
        });
    }
    let is_wrong = |value: &f32| !value.is_finite() || *value < least;
    match values.iter().position(is_wrong) {
        Some(index) => Err(LayoutError::Value {
            what,
            index,
            got: values[index],
        }),
        None => Ok(()),
    }
}

/// The blocks that so many rows fill.
pub(crate) fn blocks_of(rows: usize) -> usize {
    rows.div_ceil(blocks::BLOCK_ROWS)
}
