use crate::arrangement::{LEAF_ROWS, in_leaves, sort_leaves};
use crate::blocks::{Blocks, Sections, encoded_len};
use crate::encoder::Encoder;
use crate::frame::{Frame, Leaves, Stage};
use crate::norms::Norms;
use crate::plan::stage_ends;
use crate::rotation::{MOST_ROTATED, Rotation};
use crate::rounding::up_to_f32;
use crate::{Codes, MAX_DIMENSION, exact};

/// Rows quantised together to one signed byte per dimension (SQ8), as their [`Frame`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedRows {
    frame: Frame,
    blocks: Blocks,
}

/// Rows whose axes are worth finding: below, a scan is short whatever it does.
const LEAST_ARRANGED: usize = 4 * LEAF_ROWS;

/// Rows that the axes are found from.
const MEASURED: usize = 8192;

impl QuantizedRows {
    /// Quantises raw vectors, row-major, each of `dimension` finite values, in the order they come
    /// in, for a scan without stages. They are normalised here; a zero row stays zero.
    ///
    /// # Panics
    ///
    /// If the dimension is outside 1…[`MAX_DIMENSION`], or the values are not whole rows.
    #[must_use]
    pub fn quantize(dimension: usize, vectors: &[f32]) -> Self {
        let rows = NormalRows::new(dimension, vectors);
        let order: Vec<u32> = (0..rows.count() as u32).collect();
        rows.quantize_plain(&order)
    }

    /// Quantises raw vectors like [`QuantizedRows::quantize`], and looks for a rotation, an order and
    /// stages that spare a scan most of its work; where the rows are not such that this pays, it
    /// leaves all that. Returns the order too: for each quantised row which of the vectors it is.
    ///
    /// # Panics
    ///
    /// As [`QuantizedRows::quantize`].
    #[must_use]
    pub fn arrange(dimension: usize, vectors: &[f32]) -> (Self, Vec<u32>) {
        let rows = NormalRows::new(dimension, vectors);
        let pays = rows.count() >= LEAST_ARRANGED && (8..=MOST_ROTATED).contains(&dimension);
        let arranged = if pays { rows.arrange(stage_ends) } else { None };
        arranged.unwrap_or_else(|| {
            let order: Vec<u32> = (0..rows.count() as u32).collect();
            (rows.quantize_plain(&order), order)
        })
    }

    /// With stages that end at given dimensions, whether they pay or not.
    #[cfg(test)]
    pub(crate) fn in_stages(dimension: usize, vectors: &[f32], ends: &[usize]) -> (Self, Vec<u32>) {
        let rows = NormalRows::new(dimension, vectors);
        rows.arrange(|_, _, _, _| ends.to_vec())
            .unwrap_or_else(|| (rows.quantize_plain(&[]), Vec::new()))
    }

    /// The number of codes per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.frame.dimension
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frame.rows
    }

    /// How the rows were quantised.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// A copy of the codes, row-major: for tests and tools, not for a scan.
    #[must_use]
    pub fn codes(&self) -> Vec<i8> {
        let sections = self.frame.sections();
        let mut codes = vec![0i8; self.rows() * self.dimension()];
        for (row, row_codes) in codes.chunks_exact_mut(self.dimension()).enumerate() {
            sections.read_row(self.blocks.bytes(), row, row_codes);
        }
        codes
    }

    /// The codes as [`Codes::new`] takes them back, laid out as [`Codes`] says.
    #[must_use]
    pub fn codes_bytes(&self) -> &[u8] {
        self.blocks.bytes()
    }

    /// The rows as the scan takes them.
    #[must_use]
    pub fn as_codes(&self) -> Codes<'_> {
        match Codes::new(&self.frame, self.blocks.bytes()) {
            Ok(codes) => codes,
            Err(error) => unreachable!("rows just quantised fit their own frame: {error}"),
        }
    }
}

/// Raw vectors with what normalises them.
struct NormalRows<'a> {
    dimension: usize,
    vectors: &'a [f32],
    /// What to multiply a row by; 0 for a zero row, which has no direction.
    inverse_norms: Vec<f64>,
}

impl<'a> NormalRows<'a> {
    fn new(dimension: usize, vectors: &'a [f32]) -> Self {
        assert!(
            (1..=MAX_DIMENSION).contains(&dimension),
            "a dimension of {dimension} is outside 1…{MAX_DIMENSION}"
        );
        assert_eq!(
            vectors.len() % dimension,
            0,
            "{} values are not whole rows of {dimension}",
            vectors.len()
        );
        let inverse_norm = |row: &[f32]| match exact::squares(row) {
            0.0 => 0.0,
            squares => 1.0 / squares.sqrt(),
        };
        Self {
            dimension,
            vectors,
            inverse_norms: vectors.chunks_exact(dimension).map(inverse_norm).collect(),
        }
    }

    fn count(&self) -> usize {
        self.inverse_norms.len()
    }

    /// The normalised values of a row.
    fn values(&self, row: u32) -> impl Iterator<Item = f64> {
        let inverse_norm = self.inverse_norms[row as usize];
        self.vectors[row as usize * self.dimension..][..self.dimension]
            .iter()
            .map(move |&value| f64::from(value) * inverse_norm)
    }

    fn quantize_plain(&self, order: &[u32]) -> QuantizedRows {
        let mut lowest = vec![f64::MAX; self.dimension];
        let mut highest = vec![f64::MIN; self.dimension];
        for row in 0..self.count() as u32 {
            for ((lowest, highest), value) in
                lowest.iter_mut().zip(&mut highest).zip(self.values(row))
            {
                *lowest = lowest.min(value);
                *highest = highest.max(value);
            }
        }
        let middle = |(&lowest, &highest): (&f64, &f64)| match self.count() {
            0 => 0.0,
            _ => f64::midpoint(lowest, highest) as f32,
        };
        let centre: Vec<f32> = lowest.iter().zip(&highest).map(middle).collect();
        let coordinates = |row: u32, to: &mut [f64]| {
            for ((to, value), &centre) in to.iter_mut().zip(self.values(row)).zip(&centre) {
                *to = value - f64::from(centre);
            }
        };
        let shape = Shape {
            dimension: self.dimension,
            rotation: None,
            centre: &centre,
            ends: vec![self.dimension],
            is_in_leaves: false,
        };
        encode(shape, order, coordinates)
    }

    /// `None` where it would not pay.
    fn arrange(
        &self,
        stage_ends: impl FnOnce(usize, &[f32], &[f32], &[u32]) -> Vec<usize>,
    ) -> Option<(QuantizedRows, Vec<u32>)> {
        let dimension = self.dimension;
        let count = self.count();
        let sampled = (0..count as u32).step_by(count.div_ceil(MEASURED));
        let mut sample = Vec::new();
        sampled.for_each(|row| sample.extend(self.values(row).map(|value| value as f32)));
        let rotation = Rotation::principal(dimension, &sample)?;
        drop(sample);

        let mut rows = self.rotated(&rotation);
        let centre = mean(dimension, &rows);
        for row in rows.chunks_exact_mut(dimension) {
            for (value, &centre) in row.iter_mut().zip(&centre) {
                *value -= centre;
            }
        }
        let mut order = in_leaves(dimension, &rows);
        let ends = stage_ends(dimension, &rows, &centre, &order);
        if ends.len() == 1 {
            return None;
        }
        let tail = |row: u32| -> f32 {
            let row = &rows[row as usize * dimension..][ends[0]..dimension];
            row.iter().map(|value| value * value).sum()
        };
        let tails: Vec<f32> = (0..count as u32).map(tail).collect();
        sort_leaves(&mut order, |row| tails[row as usize]);

        let coordinates = |row: u32, to: &mut [f64]| {
            let row = &rows[row as usize * dimension..][..dimension];
            for (to, &value) in to.iter_mut().zip(row) {
                *to = f64::from(value);
            }
        };
        let shape = Shape {
            dimension,
            rotation: Some(rotation),
            centre: &centre,
            ends,
            is_in_leaves: true,
        };
        let quantized = encode(shape, &order, coordinates);
        Some((quantized, order))
    }

    fn rotated(&self, rotation: &Rotation) -> Vec<f32> {
        const AT_ONCE: usize = 64;
        let mut rotated = vec![0.0f32; self.vectors.len()];
        let mut normal = Vec::with_capacity(AT_ONCE * self.dimension);
        let mut row = 0;
        for rotated in rotated.chunks_mut(AT_ONCE * self.dimension) {
            normal.clear();
            for _ in 0..rotated.len() / self.dimension {
                normal.extend(self.values(row).map(|value| value as f32));
                row += 1;
            }
            rotation.apply(&normal, rotated);
        }
        rotated
    }
}

fn mean(dimension: usize, rows: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0f64; dimension];
    for row in rows.chunks_exact(dimension) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    let count = (rows.len() / dimension).max(1) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

/// How rows are to be quantised.
struct Shape<'a> {
    dimension: usize,
    rotation: Option<Rotation>,
    centre: &'a [f32],
    ends: Vec<usize>,
    is_in_leaves: bool,
}

/// Quantises rows in an order, of each of which `coordinates` gives y.
fn encode(shape: Shape<'_>, order: &[u32], coordinates: impl Fn(u32, &mut [f64])) -> QuantizedRows {
    let dimension = shape.dimension;
    let mut row = vec![0.0f64; dimension];
    let mut largest = vec![0.0f64; dimension];
    let mut squares = vec![0.0f64; dimension];
    for &number in order {
        coordinates(number, &mut row);
        let sums = largest.iter_mut().zip(&mut squares);
        for ((largest, square), (&y, &centre)) in sums.zip(row.iter().zip(shape.centre)) {
            *largest = largest.max(y.abs());
            let uncentred = y + f64::from(centre);
            *square += uncentred * uncentred;
        }
    }
    let alphas: Vec<f32> = largest.into_iter().map(up_to_f32).collect();

    let mut frame = Frame {
        dimension,
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

    let encoder = Encoder::new(&frame.alphas);
    let sections = frame.sections();
    let mut blocks = Blocks::zeros(frame.codes_len());
    let mut codes = vec![0i8; dimension];
    let mut norms = Norms::new(&shape.ends, order.len());
    for (place, &number) in order.iter().enumerate() {
        coordinates(number, &mut row);
        encoder.encode(&row, &mut codes);
        norms.add(&encoder, place, &row, &codes);
        blocks.set_row(&sections, place, &codes);
    }
    norms.finish(dimension, &mut frame.stages);

    if shape.is_in_leaves {
        let count = order.len().div_ceil(LEAF_ROWS);
        let leaf_sections = Sections::new(count, shape.ends.iter().copied());
        let mut means = Blocks::zeros(encoded_len(dimension, count));
        for (leaf, members) in order.chunks(LEAF_ROWS).enumerate() {
            let mut sums = vec![0.0f64; dimension];
            for &number in members {
                coordinates(number, &mut row);
                sums.iter_mut().zip(&row).for_each(|(sum, y)| *sum += y);
            }
            sums.iter_mut().for_each(|sum| *sum /= members.len() as f64);
            encoder.encode(&sums, &mut codes);
            means.set_row(&leaf_sections, leaf, &codes);
        }
        frame.leaves = Some(Leaves {
            rows: LEAF_ROWS,
            codes: means.bytes().to_vec(),
        });
    }
    QuantizedRows { frame, blocks }
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
