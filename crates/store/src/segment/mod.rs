//! A sealed segment on disk: a `.segment` file that is mapped, a `.vectors` file that is read.
//!
//! The layout of both is in `docs/format.md`.

mod archive;
mod builder;
mod header;
#[allow(unsafe_code, reason = "the one module that maps files")]
mod mapping;
mod sealed;
mod vectors;

pub(crate) use builder::SegmentBuilder;
pub(crate) use sealed::{SealedSegment, SegmentEntry};
