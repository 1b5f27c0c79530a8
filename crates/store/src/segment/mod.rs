//! A sealed segment on disk: a `.segment` file that is mapped, and `.ids` and `.vectors` files that
//! are read.
//!
//! The layout of all is in `docs/format.md`.

mod archive;
mod builder;
mod header;
mod ids_file;
mod ids_page;
mod sealed;
mod vectors;

pub(crate) use builder::{SegmentBuilder, Written};
pub(crate) use ids_file::IdsReader;
pub(crate) use sealed::{SealedSegment, SegmentEntry};
