//! The mapped part of a sealed segment. The only module of this crate with `unsafe` code.

use memmap2::Mmap;
use std::{fs::File, io, ops::Range};

/// The codes of a segment file, mapped read-only.
#[derive(Debug)]
pub(super) struct MappedCodes {
    map: Mmap,
    codes: Range<usize>,
}

impl MappedCodes {
    /// Maps `file`, which must never be written to or truncated again: sealed files are not. `None` if
    /// the codes would lie outside.
    pub(super) fn new(file: &File, codes: Range<usize>) -> io::Result<Option<Self>> {
        // SAFETY: the map is read-only, and nothing in this program changes a sealed file: it is
        // created under a fresh number, written and synced before it is first mapped, and after
        // that only ever unlinked. That no other program changes it is the operator's part.
        let map = unsafe { Mmap::map(file) }?;
        let is_inside = map.get(codes.clone()).is_some();
        Ok(is_inside.then_some(Self { map, codes }))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map[self.codes.clone()]
    }
}
