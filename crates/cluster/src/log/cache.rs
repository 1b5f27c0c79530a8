//! The newest entries of one group's log, in memory.

use std::collections::VecDeque;

use openraft::Entry;

use super::GroupConfig;

/// Entries already on disk stay in memory up to this many bytes, for apply and replication.
const KEPT_BYTES: usize = 4 << 20;

/// A gapless run of entries that ends with the last one of the log.
pub(super) struct Cache<C: GroupConfig> {
    entries: VecDeque<Cached<C>>,
    bytes: usize,
}

struct Cached<C: GroupConfig> {
    entry: Entry<C>,
    bytes: usize,
    /// Which write puts it on disk; entries that are not there yet cannot be read elsewhere.
    write: u64,
}

impl<C: GroupConfig> Default for Cache<C> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<C: GroupConfig> Cache<C> {
    /// The index of the oldest entry held.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|cached| cached.entry.log_id.index)
    }

    pub(super) fn push(&mut self, entry: Entry<C>, bytes: usize, write: u64) {
        self.bytes += bytes;
        self.entries.push_back(Cached {
            entry,
            bytes,
            write,
        });
    }

    /// Entries from `first` on, before `end`, up to `limit` bytes but at least one.
    pub(super) fn range(&self, first: u64, end: u64, limit: usize) -> Vec<Entry<C>> {
        let Some(held_from) = self.first() else {
            return Vec::new();
        };
        let skipped = first.saturating_sub(held_from) as usize;
        let mut bytes = 0;
        let mut found = Vec::new();
        for cached in self.entries.iter().skip(skipped) {
            bytes += cached.bytes;
            let full = !found.is_empty() && bytes > limit;
            if cached.entry.log_id.index >= end || full {
                break;
            }
            found.push(cached.entry.clone());
        }
        found
    }

    /// Forgets the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while let Some(last) = self.entries.back()
            && last.entry.log_id.index >= index
        {
            self.bytes -= last.bytes;
            self.entries.pop_back();
        }
    }

    /// Forgets the entries up to `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while let Some(first) = self.entries.front()
            && first.entry.log_id.index <= index
        {
            self.bytes -= first.bytes;
            self.entries.pop_front();
        }
    }

    /// Forgets the entries up to `index` that a write up to `written` holds.
    pub(super) fn forget(&mut self, index: Option<u64>, written: u64) {
        while let Some(first) = self.entries.front()
            && Some(first.entry.log_id.index) <= index
            && first.write <= written
        {
            self.bytes -= first.bytes;
            self.entries.pop_front();
        }
        self.entries.shrink_to_fit();
    }

    /// Forgets the oldest entries that are too many and that a write up to `written` holds.
    pub(super) fn evict(&mut self, written: u64) {
        while self.bytes > KEPT_BYTES
            && let Some(first) = self.entries.front()
            && first.write <= written
        {
            self.bytes -= first.bytes;
            self.entries.pop_front();
        }
    }
}
