//! From coordinates to codes, and to all that bounds need to know of them.

use crate::QuantizedRows;
use crate::arch::{Sums, Wide, wide};
use crate::arrangement::LEAF_ROWS;
use crate::blocks::{Blocks, Sections, encoded_len};
use crate::encoder::Encoder;
use crate::frame::{Frame, Leaves, Stage};
use crate::norms::Norms;
use crate::rotation::Rotation;
use crate::rounding::up_to_f32;

/// How rows are to be quantised.
pub(crate) struct Shape<'a> {
    pub(crate) dimension: usize,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) centre: &'a [f32],
    pub(crate) ends: Vec<usize>,
    pub(crate) is_in_leaves: bool,
}

/// The coordinates y of rows.
pub(crate) trait Coordinates {
    /// The number of rows.
    fn count(&self) -> usize;

    /// The memory that those of one row come from.
    fn source(&self, row: u32) -> &[f32];

    /// Writes those of one row; called in a loop, so to be inlined always.
    fn read(&self, row: u32, to: &mut [f64]);
}

/// Quantises rows in an order.
pub(crate) fn encode<C: Coordinates>(
    shape: Shape<'_>,
    order: &[u32],
    coordinates: C,
) -> QuantizedRows {
    let (alphas, squares) = wide(Extents {
        centre: shape.centre,
        coordinates: &coordinates,
    });
    let mut frame = Frame {
        dimension: shape.dimension,
        rows: order.len(),
        rotation: shape.rotation,
        centre: shape.centre.to_vec(),
        alphas,
        lead_shift: 0,
        stages: shape
            .ends
            .iter()
            .map(|&end| Stage {
                end,
                shift: 0,
                residual_norm: 0.0,
                code_norm: 0.0,
                tails: Vec::new(),
            })
            .collect(),
        leaves: None,
    };
    choose_shifts(&mut frame, &squares);
    wide(Encode {
        frame,
        ends: &shape.ends,
        is_in_leaves: shape.is_in_leaves,
        order,
        coordinates: &coordinates,
    })
}

/// Finds α, and the sums of the squares of what the rows are with their centre.
struct Extents<'a, C> {
    centre: &'a [f32],
    coordinates: &'a C,
}

impl<C: Coordinates> Wide for Extents<'_, C> {
    type Output = (Vec<f32>, Vec<f64>);

    #[inline(always)]
    fn run(self, _: impl Sums) -> Self::Output {
        let dimension = self.centre.len();
        let mut row = vec![0.0f64; dimension];
        let mut largest = vec![0.0f64; dimension];
        let mut squares = vec![0.0f64; dimension];
        for number in 0..self.coordinates.count() as u32 {
            self.coordinates.read(number, &mut row);
            let sums = largest.iter_mut().zip(&mut squares);
            for ((largest, square), (&y, &centre)) in sums.zip(row.iter().zip(self.centre)) {
                let magnitude = y.abs();
                *largest = if magnitude > *largest {
                    magnitude
                } else {
                    *largest
                };
                let uncentred = y + f64::from(centre);
                *square += uncentred * uncentred;
            }
        }
        (largest.into_iter().map(up_to_f32).collect(), squares)
    }
}

/// So many rows ahead memory is asked for the next one.
const AHEAD: usize = 4;

/// Fills a frame whose α and shifts are known, and encodes the rows.
struct Encode<'a, C> {
    frame: Frame,
    ends: &'a [usize],
    is_in_leaves: bool,
    order: &'a [u32],
    coordinates: &'a C,
}

impl<C: Coordinates> Wide for Encode<'_, C> {
    type Output = QuantizedRows;

    #[inline(always)]
    fn run(self, norm_sums: impl Sums) -> QuantizedRows {
        let Self {
            mut frame, order, ..
        } = self;
        let dimension = frame.dimension;
        let encoder = Encoder::new(&frame.alphas);
        let sections = frame.sections();
        let mut blocks = Blocks::zeros(frame.codes_len());
        let mut norms = Norms::new(self.ends, order.len());

        let leaves = if self.is_in_leaves {
            order.len().div_ceil(LEAF_ROWS)
        } else {
            0
        };
        let leaf_sections = Sections::new(leaves, self.ends.iter().copied());
        let mut means = Blocks::zeros(encoded_len(dimension, leaves));

        let mut row = vec![0.0f64; dimension];
        let mut codes = vec![0i8; dimension];
        let mut sums = vec![0.0f64; dimension];
        for (leaf, members) in order.chunks(LEAF_ROWS).enumerate() {
            sums.fill(0.0);
            for (place, &number) in (leaf * LEAF_ROWS..).zip(members) {
                // Rows in an order that tells lie anywhere in memory.
                if let Some(&soon) = order.get(place + AHEAD) {
                    norm_sums.prefetch(self.coordinates.source(soon));
                }
                self.coordinates.read(number, &mut row);
                encoder.encode(&row, &mut codes);
                norms.add(norm_sums, &encoder, place, &row, &codes);
                blocks.set_row(&sections, place, &codes);
                sums.iter_mut().zip(&row).for_each(|(sum, y)| *sum += y);
            }
            if self.is_in_leaves {
                sums.iter_mut().for_each(|sum| *sum /= members.len() as f64);
                encoder.encode(&sums, &mut codes);
                means.set_row(&leaf_sections, leaf, &codes);
            }
        }
        norms.finish(dimension, &mut frame.stages);
        if self.is_in_leaves {
            frame.leaves = Some(Leaves {
                rows: LEAF_ROWS,
                codes: means.bytes().to_vec(),
            });
        }
        QuantizedRows { frame, blocks }
    }
}

/// Gives the weights of later dimensions a finer scale where they are smaller: as small as those of a
/// query would be that is like the rows. `squares` are the sums of their squared coordinates.
fn choose_shifts(frame: &mut Frame, squares: &[f64]) {
    let weight = |i: usize| squares[i].sqrt() * f64::from(frame.alphas[i]);
    let heaviest: Vec<f64> = frame
        .ranges()
        .map(|range| range.dimensions.map(weight).fold(0.0, f64::max))
        .collect();
    let mut shifts: Vec<u32> = heaviest
        .windows(2)
        .map(|pair| match (pair[0] / pair[1]).log2().round() {
            // One bit more is not worth the instructions.
            bits if bits.is_finite() && bits >= 2.0 => bits.min(8.0) as u32,
            _ => 0,
        })
        .collect();
    loop {
        let mut left = shifts.iter();
        frame.lead_shift = left.next().copied().unwrap_or(0);
        for (stage, &shift) in frame.stages.iter_mut().skip(1).zip(left) {
            stage.shift = shift;
        }
        // Only what many dimensions take back: with no shift at all, all sums fit.
        if frame.sums_fit() {
            return;
        }
        if let Some(widest) = shifts.iter_mut().max() {
            *widest = widest.saturating_sub(1);
        }
    }
}
