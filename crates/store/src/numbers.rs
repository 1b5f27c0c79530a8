//! The numbers that name files.

/// Gives each new segment of a directory a number that no segment had before, also not one whose
/// writing failed: a file, once named, is never written again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentNumbers {
    next: u64,
}

impl SegmentNumbers {
    pub(crate) fn starting_at(next: u64) -> Self {
        Self { next }
    }

    pub(crate) fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }
}
