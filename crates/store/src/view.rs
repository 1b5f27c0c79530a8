//! One consistent state of a shard.

use crate::{Part, StoreError, ids::hash_id};

/// One consistent state of a shard, as of the end of one batch: each id has one live row at most.
/// Immutable; the files it reads from stay readable while it lives.
#[derive(Debug)]
pub struct ShardView {
    parts: Vec<Part>,
    dimension: usize,
    live_rows: u64,
    growing_bytes: u64,
    memory_bytes: u64,
}

impl ShardView {
    pub(crate) fn new(dimension: usize, parts: Vec<Part>) -> Self {
        Self {
            dimension,
            live_rows: parts.iter().map(|part| u64::from(part.live_rows())).sum(),
            growing_bytes: parts.iter().map(Part::growing_bytes).sum(),
            memory_bytes: parts.iter().map(Part::memory_bytes).sum(),
            parts,
        }
    }

    /// The sealed segments, oldest first, then the growing blocks.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Number of ids.
    #[must_use]
    pub fn live_rows(&self) -> u64 {
        self.live_rows
    }

    /// Values per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The vector with this id: the very float32 bits that were ingested.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if the ids or its row cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Vec<f32>>, StoreError> {
        let Some((part, row)) = self.locate(id)? else {
            return Ok(None);
        };
        let mut vector = Vec::with_capacity(self.dimension);
        part.read_vector(row, &mut vector)?;
        Ok(Some(vector))
    }

    /// Whether there is a vector with this id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if the ids cannot be read.
    pub fn contains(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.locate(id)?.is_some())
    }

    fn locate(&self, id: &str) -> Result<Option<(&Part, u32)>, StoreError> {
        let hash = hash_id(id);
        for part in self.parts.iter().rev() {
            if let Some(row) = part.live_row(hash, id)? {
                return Ok(Some((part, row)));
            }
        }
        Ok(None)
    }

    pub(crate) fn growing_bytes(&self) -> u64 {
        self.growing_bytes
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}
