//! The growing rows between two freezes.

use super::{GrowingBlock, GrowingRows};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Blocks are merged up to this many rows: enough that the cost per block of a search is small,
/// few enough that a merge does not hold up the batch that causes it.
const MERGED_ROWS: u32 = 8_192;

/// The growing rows between two freezes, numbered from 0 in the order of their arrival. Numbers
/// never change: blocks are only ever merged with their neighbours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generation {
    /// Tells generations of one shard apart.
    pub(crate) serial: u64,
    blocks: Vec<PlacedBlock>,
    /// The rows that were replaced or deleted.
    pub(crate) dead: Arc<RoaringBitmap>,
}

/// A block and the number that its first row has in its generation.
#[derive(Debug, Clone)]
pub(crate) struct PlacedBlock {
    pub(crate) first: u32,
    pub(crate) block: Arc<GrowingBlock>,
}

impl Generation {
    pub(crate) fn new(serial: u64) -> Self {
        Self {
            serial,
            ..Self::default()
        }
    }

    pub(crate) fn rows(&self) -> u32 {
        self.blocks
            .last()
            .map_or(0, |last| last.first + last.block.rows())
    }

    pub(crate) fn blocks(&self) -> &[PlacedBlock] {
        &self.blocks
    }

    /// Whether the numbers of so many more rows fit.
    pub(crate) fn has_room(&self, rows: u32) -> bool {
        self.rows().checked_add(rows).is_some()
    }

    /// Appends rows, merged with as many blocks from the end as it takes for each block to have at
    /// least twice the rows of the next one: a row is merged about log₂ of 8,192 times at most, and
    /// the blocks stay few. Codes are made once for all that is merged.
    pub(crate) fn append(&mut self, dimension: usize, rows: GrowingRows) {
        let mut merged_rows = rows.count();
        let mut kept = self.blocks.len();
        while let Some(before) = kept.checked_sub(1).and_then(|last| self.blocks.get(last)) {
            let rows_before = before.block.rows();
            let is_balanced = rows_before / 2 >= merged_rows;
            if is_balanced || rows_before.saturating_add(merged_rows) > MERGED_ROWS {
                break;
            }
            merged_rows += rows_before;
            kept -= 1;
        }
        let first = self
            .blocks
            .get(kept)
            .map_or(self.rows(), |placed| placed.first);
        let merged: Vec<PlacedBlock> = self.blocks.drain(kept..).collect();
        let rows = if merged.is_empty() {
            rows
        } else {
            let mut all: Vec<&GrowingRows> =
                merged.iter().map(|old| old.block.plain_rows()).collect();
            all.push(&rows);
            GrowingRows::joined(&all)
        };
        self.blocks.push(PlacedBlock {
            first,
            block: Arc::new(GrowingBlock::new(dimension, rows)),
        });
    }

    /// The number of the live row with this id.
    pub(crate) fn live_row(&self, hash: u64, id: &str) -> Option<u32> {
        self.blocks.iter().rev().find_map(|placed| {
            placed
                .block
                .rows_of(hash, id)
                .map(|row| placed.first + row)
                .find(|&row| !self.dead.contains(row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids, hash_id};

    fn rows(numbers: std::ops::Range<u32>) -> GrowingRows {
        let mut ids = Ids::default();
        let mut vectors = Vec::new();
        for number in numbers {
            ids.push(&format!("id-{number}"));
            vectors.extend([number as f32, 1.0]);
        }
        GrowingRows::new(ids, vectors)
    }

    #[test]
    fn merging_keeps_every_row_number() {
        let mut generation = Generation::new(0);
        let mut next = 0;
        for count in [1, 1, 1, 5, 3, 1, 1, 40, 7, 6, 5, 4, 3, 2, 1] {
            generation.append(2, rows(next..next + count));
            next += count;
        }
        assert_eq!(generation.rows(), next);
        for number in 0..next {
            let id = format!("id-{number}");
            assert_eq!(generation.live_row(hash_id(&id), &id), Some(number));
            let place = generation
                .blocks()
                .iter()
                .rfind(|place| place.first <= number)
                .unwrap();
            assert_eq!(
                place.block.vector(number - place.first),
                [number as f32, 1.0]
            );
            assert_eq!(place.block.ids().get(number - place.first), id);
        }
    }

    #[test]
    fn single_rows_end_up_in_few_blocks() {
        let mut generation = Generation::new(0);
        for number in 0..3_000 {
            generation.append(2, rows(number..number + 1));
            assert!(
                generation.blocks().len() <= 13,
                "{} blocks",
                generation.blocks().len()
            );
        }
    }

    #[test]
    fn a_block_grows_no_further_than_its_limit() {
        let mut generation = Generation::new(0);
        for number in 0..40 {
            generation.append(2, rows(number * 1_000..(number + 1) * 1_000));
        }
        assert!(
            generation
                .blocks()
                .iter()
                .all(|placed| placed.block.rows() <= MERGED_ROWS)
        );
        assert!(generation.blocks().len() <= 12);
    }
}
