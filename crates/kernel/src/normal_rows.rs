use crate::arch::{Sums, Wide, wide};
use crate::arrangement::{in_leaves, sort_leaves};
use crate::coding::{Coordinates, Shape, encode};
use crate::rotation::Rotation;
use crate::{MAX_DIMENSION, QuantizedRows, exact};

/// Rows that the axes are found from.
const MEASURED: usize = 8192;

/// Raw vectors with what normalises them.
pub(crate) struct NormalRows<'a> {
    dimension: usize,
    vectors: &'a [f32],
    /// What to multiply a row by; 0 for a zero row, which has no direction.
    inverse_norms: Vec<f64>,
}

impl<'a> NormalRows<'a> {
    /// Of `dimension` finite values each.
    ///
    /// # Panics
    ///
    /// If the dimension is outside 1…[`MAX_DIMENSION`], or the values are not whole rows.
    pub(crate) fn new(dimension: usize, vectors: &'a [f32]) -> Self {
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
        Self {
            dimension,
            vectors,
            inverse_norms: wide(InverseNorms { dimension, vectors }),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.inverse_norms.len()
    }

    /// The normalised values of a row.
    #[inline(always)]
    fn values(&self, row: u32) -> impl Iterator<Item = f64> {
        let inverse_norm = self.inverse_norms[row as usize];
        self.vectors[row as usize * self.dimension..][..self.dimension]
            .iter()
            .map(move |&value| f64::from(value) * inverse_norm)
    }

    /// In one stage, and in the order given.
    pub(crate) fn quantize_plain(&self, order: &[u32]) -> QuantizedRows {
        let centre = wide(MiddleOfRanges { rows: self });
        let shape = Shape {
            dimension: self.dimension,
            rotation: None,
            centre: &centre,
            ends: vec![self.dimension],
            is_in_leaves: false,
        };
        let coordinates = Plain {
            rows: self,
            centre: &centre,
        };
        encode(shape, order, coordinates)
    }

    /// Rotated, in an order and in stages, which `stage_ends` chooses given the dimension, the rotated
    /// rows without their mean, that mean, and an order; `None` where it chooses but one.
    pub(crate) fn arrange(
        &self,
        stage_ends: impl FnOnce(usize, &[f32], &[f32], &[u32]) -> Vec<usize>,
    ) -> Option<(QuantizedRows, Vec<u32>)> {
        let dimension = self.dimension;
        let count = self.count();
        let sampled = (0..count as u32).step_by(count.div_ceil(MEASURED));
        let mut sample = Vec::with_capacity(sampled.len() * dimension);
        sampled.for_each(|row| sample.extend(self.values(row).map(|value| value as f32)));
        let rotation = Rotation::principal(dimension, &sample)?;
        drop(sample);

        let mut rows = wide(Rotate {
            rows: self,
            rotation: &rotation,
        });
        let centre = wide(TakeMean {
            dimension,
            rows: &mut rows,
        });
        let mut order = in_leaves(dimension, &rows);
        let ends = stage_ends(dimension, &rows, &centre, &order);
        if ends.len() == 1 {
            return None;
        }
        let tails = wide(Tails {
            dimension,
            rows: &rows,
            begin: ends[0],
        });
        sort_leaves(&mut order, |row| tails[row as usize]);

        let shape = Shape {
            dimension,
            rotation: Some(rotation),
            centre: &centre,
            ends,
            is_in_leaves: true,
        };
        let rows = Arranged {
            dimension,
            rows: &rows,
        };
        let quantized = encode(shape, &order, rows);
        Some((quantized, order))
    }
}

/// Normalises and rotates rows.
struct Rotate<'a> {
    rows: &'a NormalRows<'a>,
    rotation: &'a Rotation,
}

impl Wide for Rotate<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self, _: impl Sums) -> Vec<f32> {
        const AT_ONCE: usize = 64;
        let Self { rows, rotation } = self;
        let mut rotated = vec![0.0f32; rows.vectors.len()];
        let mut normal = vec![0.0f32; AT_ONCE * rows.dimension];
        let mut row = 0;
        for rotated in rotated.chunks_mut(AT_ONCE * rows.dimension) {
            let normal = &mut normal[..rotated.len()];
            for to in normal.chunks_exact_mut(rows.dimension) {
                for (to, value) in to.iter_mut().zip(rows.values(row)) {
                    *to = value as f32;
                }
                row += 1;
            }
            rotation.apply(normal, rotated);
        }
        rotated
    }
}

struct InverseNorms<'a> {
    dimension: usize,
    vectors: &'a [f32],
}

impl Wide for InverseNorms<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self, _: impl Sums) -> Vec<f64> {
        let rows = self.vectors.chunks_exact(self.dimension);
        let mut inverse_norms = Vec::with_capacity(rows.len());
        for row in rows {
            let squares = exact::squares(row);
            inverse_norms.push(if squares == 0.0 {
                0.0
            } else {
                1.0 / squares.sqrt()
            });
        }
        inverse_norms
    }
}

/// The middle of each dimension's range.
struct MiddleOfRanges<'a> {
    rows: &'a NormalRows<'a>,
}

impl Wide for MiddleOfRanges<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self, _: impl Sums) -> Vec<f32> {
        let dimension = self.rows.dimension;
        if self.rows.count() == 0 {
            return vec![0.0; dimension];
        }
        let mut lowest = vec![f64::MAX; dimension];
        let mut highest = vec![f64::MIN; dimension];
        let vectors = self.rows.vectors.chunks_exact(dimension);
        for (row, &inverse_norm) in vectors.zip(&self.rows.inverse_norms) {
            let ranges = lowest.iter_mut().zip(&mut highest);
            for ((lowest, highest), &value) in ranges.zip(row) {
                let value = f64::from(value) * inverse_norm;
                *lowest = if value < *lowest { value } else { *lowest };
                *highest = if value > *highest { value } else { *highest };
            }
        }
        let middle = |(&lowest, &highest): (&f64, &f64)| f64::midpoint(lowest, highest) as f32;
        lowest.iter().zip(&highest).map(middle).collect()
    }
}

/// Takes the mean of some rows away from them, and returns it.
struct TakeMean<'a> {
    dimension: usize,
    rows: &'a mut [f32],
}

impl Wide for TakeMean<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self, _: impl Sums) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.dimension];
        for row in self.rows.chunks_exact(self.dimension) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        let count = (self.rows.len() / self.dimension).max(1) as f64;
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        for row in self.rows.chunks_exact_mut(self.dimension) {
            for (value, &mean) in row.iter_mut().zip(&mean) {
                *value -= mean;
            }
        }
        mean
    }
}

/// About the square of each row's norm from a dimension on.
struct Tails<'a> {
    dimension: usize,
    rows: &'a [f32],
    begin: usize,
}

impl Wide for Tails<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self, sums: impl Sums) -> Vec<f32> {
        let mut tails = Vec::with_capacity(self.rows.len() / self.dimension);
        for row in self.rows.chunks_exact(self.dimension) {
            let tail = &row[self.begin..];
            tails.push(sums.dot(tail, tail));
        }
        tails
    }
}

/// Normalised rows without their centre.
struct Plain<'a> {
    rows: &'a NormalRows<'a>,
    centre: &'a [f32],
}

impl Coordinates for Plain<'_> {
    fn count(&self) -> usize {
        self.rows.count()
    }

    #[inline(always)]
    fn source(&self, row: u32) -> &[f32] {
        &self.rows.vectors[row as usize * self.rows.dimension..][..self.rows.dimension]
    }

    #[inline(always)]
    fn read(&self, row: u32, to: &mut [f64]) {
        for ((to, value), &centre) in to.iter_mut().zip(self.rows.values(row)).zip(self.centre) {
            *to = value - f64::from(centre);
        }
    }
}

/// Rows whose coordinates are computed already.
struct Arranged<'a> {
    dimension: usize,
    rows: &'a [f32],
}

impl Coordinates for Arranged<'_> {
    fn count(&self) -> usize {
        self.rows.len() / self.dimension
    }

    #[inline(always)]
    fn source(&self, row: u32) -> &[f32] {
        &self.rows[row as usize * self.dimension..][..self.dimension]
    }

    #[inline(always)]
    fn read(&self, row: u32, to: &mut [f64]) {
        for (to, &value) in to.iter_mut().zip(self.source(row)) {
            *to = f64::from(value);
        }
    }
}
