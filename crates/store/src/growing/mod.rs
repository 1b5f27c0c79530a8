//! Rows in memory only: what was applied since the last checkpoint.

mod block;
mod generation;

pub(crate) use block::{GrowingBlock, GrowingRows};
pub(crate) use generation::{Generation, PlacedBlock};
