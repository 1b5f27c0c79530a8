//! Reads the log of one group: what is in memory from there, the rest from the engine.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};

use openraft::{AnyError, Entry, OptionalSend, RaftLogReader, StorageError, StorageIOError};

use super::{GroupConfig, GroupLog, decode_entry};
use crate::NodeId;

/// Entries that one message to a follower carries, at the most; one larger entry goes alone.
const MESSAGE_BYTES: usize = 4 << 20;

impl<C: GroupConfig> GroupLog<C> {
    pub(super) async fn read_from_engine(
        &self,
        first: u64,
        end: u64,
        limit: usize,
    ) -> Result<Vec<Entry<C>>, String> {
        let in_log = |reason| format!("{}: {reason}", self.engine.directory().display());
        let read = self.engine.read(self.group, first, end, limit).await;
        let records = read.map_err(in_log)?;
        records.into_iter().map(decode_entry::<C>).collect()
    }

    /// The entries `first..end` that there are, up to `limit` bytes but at least one.
    pub(super) async fn read(
        &self,
        first: u64,
        end: u64,
        limit: usize,
    ) -> Result<Vec<Entry<C>>, StorageError<NodeId>> {
        let (first, end, cached_from) = {
            let state = self.state();
            let Some(last) = state.last else {
                return Ok(Vec::new());
            };
            let kept_from = state.purged.map_or(0, |purged| purged.index + 1);
            let first = first.max(kept_from);
            let end = end.min(last.index + 1);
            if first >= end {
                return Ok(Vec::new());
            }
            let cached_from = state.cache.first().unwrap_or(u64::MAX);
            if first >= cached_from {
                return Ok(state.cache.range(first, end, limit));
            }
            (first, end, cached_from)
        };

        // Entries only ever leave the cache for the disk, so those before `cached_from` are there.
        let on_disk = end.min(cached_from);
        let first = match self.engine_first() {
            Some(engine_first) => first.max(engine_first),
            None => return Ok(Vec::new()),
        };
        if first >= on_disk {
            return Ok(self.state().cache.range(first, end, limit));
        }
        let mut entries = self
            .read_from_engine(first, on_disk, limit)
            .await
            .map_err(|reason| StorageIOError::read_logs(AnyError::error(reason)))?;
        let complete = entries
            .last()
            .is_some_and(|last| last.log_id.index + 1 == on_disk);
        if complete && on_disk < end && limit == usize::MAX {
            let rest = self.state().cache.range(on_disk, end, limit);
            let rest_is_there = rest
                .first()
                .is_some_and(|next| next.log_id.index == on_disk);
            if rest_is_there {
                entries.extend(rest);
            } else {
                // Evicted meanwhile, so on disk.
                let rest = self
                    .read_from_engine(on_disk, end, limit)
                    .await
                    .map_err(|reason| StorageIOError::read_logs(AnyError::error(reason)))?;
                entries.extend(rest);
            }
        }
        Ok(entries)
    }

    fn engine_first(&self) -> Option<u64> {
        self.engine.span(self.group).map(|(first, _)| first)
    }
}

impl<C: GroupConfig> RaftLogReader<C> for GroupLog<C> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<C>>, StorageError<NodeId>> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(first, end, usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<C>>, StorageError<NodeId>> {
        self.read(start, end, MESSAGE_BYTES).await
    }
}
