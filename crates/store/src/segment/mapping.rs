//! The mapped part of a sealed segment. The only module of this crate with `unsafe` code.

use super::archive::ArchivedSegmentArchive;
use memmap2::{Mmap, UncheckedAdvice};
use rkyv::rancor;
use std::{fs::File, io, ops::Range};

/// A segment file, mapped read-only, whose archive was found valid.
#[derive(Debug)]
pub(super) struct SegmentMap {
    map: Mmap,
    codes: Range<usize>,
    archive: Range<usize>,
}

/// Why a file cannot be mapped as a segment.
#[derive(Debug)]
pub(super) enum MapError {
    Io(io::Error),
    /// A range lies outside the file, or the archive is not a valid one.
    Invalid(String),
}

impl SegmentMap {
    /// Maps `file`, which must never be written to or truncated again: sealed files are not.
    /// Checks the archive without reading more of it than its root.
    pub(super) fn new(
        file: &File,
        codes: Range<usize>,
        archive: Range<usize>,
    ) -> Result<Self, MapError> {
        // SAFETY: the map is read-only, and nothing in this program changes a sealed file: it is
        // created under a fresh number, written and synced before it is first mapped, and after
        // that only ever unlinked. That no other program changes it is the operator's part.
        let map = unsafe { Mmap::map(file) }.map_err(MapError::Io)?;
        if map.get(codes.clone()).is_none() {
            return Err(MapError::Invalid("codes outside the file".into()));
        }
        let Some(bytes) = map.get(archive.clone()) else {
            return Err(MapError::Invalid("an archive outside the file".into()));
        };
        rkyv::access::<ArchivedSegmentArchive, rancor::Error>(bytes)
            .map_err(|error| MapError::Invalid(format!("an archive that is not valid: {error}")))?;
        Ok(Self {
            map,
            codes,
            archive,
        })
    }

    pub(super) fn codes(&self) -> &[u8] {
        &self.map[self.codes.clone()]
    }

    pub(super) fn archive(&self) -> &ArchivedSegmentArchive {
        // SAFETY: `new` found a valid archive in this very range, and the bytes never change.
        unsafe { rkyv::access_unchecked::<ArchivedSegmentArchive>(&self.map[self.archive.clone()]) }
    }

    /// Lets the pages of the archive go. They come back from the file when they are touched.
    pub(super) fn release_archive(&self) {
        let (offset, len) = (self.archive.start, self.archive.len());
        // SAFETY: the mapping is of a file, shared and never written to, so that a page dropped
        // and faulted in again holds the same bytes; references into it stay valid.
        let released = unsafe {
            self.map
                .unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len)
        };
        if let Err(error) = released {
            tracing::debug!(%error, "pages of a segment could not be let go");
        }
    }
}
