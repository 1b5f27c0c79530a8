//! One growing block or one sealed segment, as a search sees it.

use crate::{StoreError, growing::PlacedBlock, segment::SealedSegment};
use roaring::RoaringBitmap;
use std::sync::Arc;
use vectra_kernel::Codes;

/// One growing block or one sealed segment, with its tombstones as of one moment. Immutable.
/// Its rows are numbered from 0; a number means a row of this part only.
#[derive(Debug, Clone)]
pub struct Part {
    rows: Rows,
    dead: Arc<RoaringBitmap>,
    live_rows: u32,
}

#[derive(Debug, Clone)]
enum Rows {
    /// `dead` numbers the rows of its whole generation.
    Growing(PlacedBlock),
    Sealed(Arc<SealedSegment>),
}

impl Part {
    pub(crate) fn growing(placed: PlacedBlock, dead: Arc<RoaringBitmap>) -> Self {
        let rows = placed.block.rows();
        let dead_rows = dead.range_cardinality(placed.first..placed.first + rows) as u32;
        Self {
            rows: Rows::Growing(placed),
            dead,
            live_rows: rows - dead_rows,
        }
    }

    pub(crate) fn sealed(segment: Arc<SealedSegment>, dead: Arc<RoaringBitmap>) -> Self {
        let live_rows = segment.rows().saturating_sub(dead.len() as u32);
        Self {
            rows: Rows::Sealed(segment),
            dead,
            live_rows,
        }
    }

    /// Number of rows, dead ones included.
    #[must_use]
    pub fn rows(&self) -> u32 {
        match &self.rows {
            Rows::Growing(placed) => placed.block.rows(),
            Rows::Sealed(segment) => segment.rows(),
        }
    }

    /// Number of rows that were neither replaced nor deleted.
    #[must_use]
    pub fn live_rows(&self) -> u32 {
        self.live_rows
    }

    /// The int8 codes of all rows, dead ones included.
    #[must_use]
    pub fn codes(&self) -> Codes<'_> {
        match &self.rows {
            Rows::Growing(placed) => placed.block.quantized().as_codes(),
            Rows::Sealed(segment) => segment.codes(),
        }
    }

    /// Whether a row was neither replaced nor deleted.
    #[must_use]
    pub fn is_live(&self, row: u32) -> bool {
        match &self.rows {
            Rows::Growing(placed) => !self.dead.contains(placed.first + row),
            Rows::Sealed(_) => !self.dead.contains(row),
        }
    }

    /// The id of a row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] where the file holds none, or a page with a wrong checksum;
    /// [`StoreError::Io`] if it cannot be read.
    pub fn id(&self, row: u32) -> Result<String, StoreError> {
        match &self.rows {
            Rows::Growing(placed) => Ok(placed.block.ids().get(row).to_owned()),
            Rows::Sealed(segment) => Ok(segment.ids().id(row)?.to_owned()),
        }
    }

    /// Puts the float32 values of a row into `into`, in place of what is there: the very bits
    /// that were ingested.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the row's checksum is wrong, or there is no such row;
    /// [`StoreError::Io`] if it cannot be read.
    pub fn read_vector(&self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        into.clear();
        match &self.rows {
            Rows::Growing(placed) => into.extend_from_slice(placed.block.vector(row)),
            Rows::Sealed(segment) => segment.read_vector(row, into)?,
        }
        Ok(())
    }

    /// The live row with this id.
    pub(crate) fn live_row(&self, hash: u64, id: &str) -> Result<Option<u32>, StoreError> {
        let row = match &self.rows {
            Rows::Growing(placed) => placed
                .block
                .rows_of(hash, id)
                .find(|&row| self.is_live(row)),
            Rows::Sealed(segment) => segment.ids().row_of(hash, id)?,
        };
        Ok(row.filter(|&row| self.is_live(row)))
    }

    /// Bytes of float32 rows held in memory.
    pub(crate) fn growing_bytes(&self) -> u64 {
        match &self.rows {
            Rows::Growing(placed) => placed.block.float_bytes(),
            Rows::Sealed(_) => 0,
        }
    }

    /// Bytes of memory that searching this part keeps in use.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match &self.rows {
            Rows::Growing(placed) => placed.block.memory_bytes(),
            Rows::Sealed(segment) => segment.memory_bytes() + self.dead.serialized_size() as u64,
        }
    }
}
