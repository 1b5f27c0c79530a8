use crate::arrangement::LEAF_ROWS;
use crate::blocks::Blocks;
use crate::normal_rows::NormalRows;
use crate::plan::stage_ends;
use crate::rotation::MOST_ROTATED;
use crate::{Codes, Frame};

/// Rows quantised together to one signed byte per dimension (SQ8), as their [`Frame`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedRows {
    pub(crate) frame: Frame,
    pub(crate) blocks: Blocks,
}

/// Rows whose axes are worth finding: below, a scan is short whatever it does.
const LEAST_ARRANGED: usize = 4 * LEAF_ROWS;

impl QuantizedRows {
    /// Quantises raw vectors, row-major, each of `dimension` finite values, in the order they come
    /// in, for a scan without stages. They are normalised here; a zero row stays zero.
    ///
    /// # Panics
    ///
    /// If the dimension is outside 1…[`MAX_DIMENSION`](crate::MAX_DIMENSION), or the values are not whole rows.
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
