use std::ops::Range;

use vectra_kernel::{Codes, FoldedQuery, QuantizedRows, Query, scan_above};

/// The two ways to quantise rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// [`QuantizedRows::quantize`].
    Plain,
    /// [`QuantizedRows::arrange`].
    Arranged,
}

pub(crate) const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Arranged];

/// Vectors beside their codes, which may be in another order.
pub(crate) struct LaidOut<'a> {
    pub(crate) quantized: QuantizedRows,
    /// For each quantised row which of the vectors it is.
    order: Vec<u32>,
    vectors: &'a [f32],
}

impl<'a> LaidOut<'a> {
    pub(crate) fn new(layout: Layout, dimension: usize, vectors: &'a [f32]) -> Self {
        let (quantized, order) = match layout {
            Layout::Plain => {
                let quantized = QuantizedRows::quantize(dimension, vectors);
                let order = (0..quantized.rows() as u32).collect();
                (quantized, order)
            }
            Layout::Arranged => QuantizedRows::arrange(dimension, vectors),
        };
        quantized.frame().check().unwrap();
        assert_eq!(quantized.dimension(), dimension);
        assert_eq!(quantized.rows(), vectors.len() / dimension);
        let mut numbers = order.clone();
        numbers.sort_unstable();
        let every_vector_once: Vec<u32> = (0..quantized.rows() as u32).collect();
        assert_eq!(numbers, every_vector_once);
        Self {
            quantized,
            order,
            vectors,
        }
    }

    pub(crate) fn codes(&self) -> Codes<'_> {
        self.quantized.as_codes()
    }

    pub(crate) fn rows(&self) -> Range<usize> {
        0..self.quantized.rows()
    }

    pub(crate) fn is_in_stages(&self) -> bool {
        self.quantized.frame().stages.len() > 1
    }

    /// Which of the vectors a quantised row is.
    pub(crate) fn number(&self, row: u32) -> u32 {
        self.order[row as usize]
    }

    /// The vector of a quantised row.
    pub(crate) fn vector(&self, row: u32) -> &'a [f32] {
        let dimension = self.quantized.dimension();
        &self.vectors[self.number(row) as usize * dimension..][..dimension]
    }

    pub(crate) fn fold(&self, query: &[f32]) -> FoldedQuery {
        Query::new(query.to_vec()).unwrap().fold(self.codes())
    }

    /// The integer score of every row, in the order of the rows.
    pub(crate) fn scores(&self, folded: &FoldedQuery) -> Vec<i64> {
        let mut all = Vec::new();
        scan_above(
            self.codes(),
            self.rows(),
            folded,
            i64::MIN,
            |_| true,
            &mut all,
        );
        assert!(all.iter().map(|row| row.1 as usize).eq(self.rows()));
        all.into_iter().map(|row| row.0).collect()
    }
}
