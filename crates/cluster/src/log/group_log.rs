//! The log of one raft group.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, LogId, LogState, OptionalSend, RaftLogReader, StorageError, StorageIOError,
    Vote,
};

use super::cache::Cache;
use super::engine::LogEngine;
use super::writer::Change;
use super::{Command, EncodedEntry, GroupConfig, decode_entry, encode_entry, record};
use crate::{ClusterError, NodeId};

/// Entries that one message to a follower carries, at the most; one larger entry goes alone.
const MESSAGE_BYTES: usize = 4 << 20;

/// The log of one raft group; clones are handles to the same log.
pub(crate) struct GroupLog<C: GroupConfig> {
    engine: LogEngine,
    group: u64,
    state: Arc<Mutex<State<C>>>,
}

impl<C: GroupConfig> Clone for GroupLog<C> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            group: self.group,
            state: self.state.clone(),
        }
    }
}

/// What the log holds, queued writes included.
struct State<C: GroupConfig> {
    vote: Option<Vote<NodeId>>,
    committed: Option<LogId<NodeId>>,
    /// Whether `committed` has changed since it was last written.
    committed_unwritten: bool,
    purged: Option<LogId<NodeId>>,
    /// Where this node had left the group when its copy was dropped.
    left: Option<LogId<NodeId>>,
    /// The last entry; `None` if there is none.
    last: Option<LogId<NodeId>>,
    /// Whether the engine holds entries past the end of the log, and a record says so.
    cut: bool,
    cache: Cache<C>,
    /// Counts the writes of entries: queued, and done.
    queued: u64,
    written: u64,
}

impl<C: GroupConfig> GroupLog<C> {
    /// Opens what the engine holds of the group.
    pub(crate) async fn open(engine: &LogEngine, group: u64) -> Result<Self, ClusterError> {
        let damaged =
            |reason: String| engine.storage_error(format!("raft group {group}: {reason}"));
        let value = |key| engine.value(group, key);
        let vote = value(record::VOTE)
            .map(|bytes| record::decode_vote(&bytes))
            .transpose();
        let committed = value(record::COMMITTED)
            .map(|bytes| record::decode_log_id(&bytes))
            .transpose();
        let purged = value(record::PURGED)
            .map(|bytes| record::decode_log_id(&bytes))
            .transpose();
        let left = value(record::LEFT)
            .map(|bytes| record::decode_log_id(&bytes))
            .transpose();
        let end = value(record::END)
            .map(|bytes| record::decode_end(&bytes))
            .transpose();

        let end = end.map_err(damaged)?;
        let log = Self {
            engine: engine.clone(),
            group,
            state: Arc::new(Mutex::new(State {
                vote: vote.map_err(damaged)?,
                committed: committed.map_err(damaged)?,
                purged: purged.map_err(damaged)?,
                left: left.map_err(damaged)?,
                cut: end.is_some(),
                ..State::empty()
            })),
        };
        if let Some((first, last)) = engine.span(group) {
            let expected = log.state().purged.map_or(0, |purged| purged.index + 1);
            if first > expected {
                return Err(damaged(format!(
                    "its log should begin with entry {expected} and begins with entry {first}: \
                     files of the log are missing"
                )));
            }
            let end = end.unwrap_or(u64::MAX).min(last.saturating_add(1));
            if end > first {
                let last = log
                    .read_from_engine(end - 1, end, usize::MAX)
                    .await
                    .map_err(damaged)?;
                log.state().last = last.last().map(|entry| entry.log_id);
            }
        }
        Ok(log)
    }

    /// The vote, as far as it is queued for the disk.
    pub(crate) fn vote(&self) -> Option<Vote<NodeId>> {
        self.state().vote
    }

    /// Where the group's log says that this node is no member, if a copy of it was ever dropped here. What
    /// that copy had acknowledged comes before, and this one may not know it.
    pub(crate) fn left(&self) -> Option<LogId<NodeId>> {
        self.state().left
    }

    /// The index of the last entry, purged ones included.
    pub(crate) fn last_index(&self) -> Option<u64> {
        self.last().map(|last| last.index)
    }

    /// The last entry, purged ones included.
    pub(crate) fn last(&self) -> Option<LogId<NodeId>> {
        let state = self.state();
        state.last.or(state.purged)
    }

    /// The last entry known to be committed, if it is there.
    pub(crate) fn committed(&self) -> Option<LogId<NodeId>> {
        let state = self.state();
        // The entries up to it may be gone with a torn tail: it was not synced with them.
        let last = state.last.or(state.purged);
        state.committed.min(last)
    }

    /// Forgets, in memory, the entries up to `applied` that are on disk: they are read from there
    /// should a follower still need them.
    pub(crate) fn forget_applied(&self, applied: Option<u64>) {
        let mut state = self.state();
        let written = state.written;
        state.cache.forget(applied, written);
    }

    /// Checks that the log goes on where a checkpoint ends. If it begins later, the checkpoint it
    /// was shortened for is lost, and to start without would be to start with a hole in the data.
    pub(crate) fn check_reaches(&self, checkpoint: Option<LogId<NodeId>>) -> Result<(), String> {
        let purged = self.state().purged.map(|purged| purged.index);
        let covered = checkpoint.map(|checkpoint| checkpoint.index);
        if purged <= covered {
            return Ok(());
        }
        let covered = match covered {
            Some(last) => format!("ends with entry {last}"),
            None => "is not there".to_owned(),
        };
        Err(format!(
            "the log begins after entry {}, which a checkpoint should hold, but the checkpoint \
             {covered}: files are missing; restore them, or let another replica take this one's \
             place",
            purged.unwrap_or_default(),
        ))
    }

    /// Puts on disk what is written lazily. For an orderly shutdown.
    pub(crate) async fn flush(&self) -> Result<(), ClusterError> {
        let changes: Vec<Change> = self.state().take_committed().into_iter().collect();
        self.engine
            .write_and_wait(self.group, changes)
            .await
            .map_err(|reason| self.engine.storage_error(reason))
    }

    /// Forgets every entry, for good when it returns; `left` is where the group's log says that this node
    /// is no member. That stays, and so does what was voted: a member that comes again must not vote twice
    /// in a term, nor found a group that exists, nor help to lead it somebody who lacks what it has forgotten.
    pub(crate) async fn clear(&self, left: Option<LogId<NodeId>>) -> Result<(), ClusterError> {
        let end = self.engine.span(self.group).map_or(0, |(_, last)| last + 1);
        let changes = {
            let mut state = self.state();
            // A leader's vote would make it lead again, with nothing.
            let vote = state
                .vote
                .map(|vote| Vote::new(vote.leader_id.term, vote.leader_id.node_id));
            let left = state.left.max(left);
            *state = State {
                vote,
                left,
                ..State::empty()
            };
            let vote = vote.map(|vote| Change::Put(record::VOTE, record::encode_vote(&vote)));
            let left = left.map(|left| Change::Put(record::LEFT, record::encode_log_id(&left)));
            let removed = [record::COMMITTED, record::PURGED, record::END].map(Change::Delete);
            vote.into_iter()
                .chain(left)
                .chain(removed)
                .chain([Change::CompactTo(end)])
                .collect()
        };
        self.engine
            .write_and_wait(self.group, changes)
            .await
            .map_err(|reason| self.engine.storage_error(reason))
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_from_engine(
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
    async fn read(
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

impl<C: GroupConfig> State<C> {
    fn empty() -> Self {
        Self {
            vote: None,
            committed: None,
            committed_unwritten: false,
            purged: None,
            left: None,
            last: None,
            cut: false,
            cache: Cache::default(),
            queued: 0,
            written: 0,
        }
    }

    fn take_committed(&mut self) -> Option<Change> {
        if !std::mem::take(&mut self.committed_unwritten) {
            return None;
        }
        Some(match &self.committed {
            Some(committed) => Change::Put(record::COMMITTED, record::encode_log_id(committed)),
            None => Change::Delete(record::COMMITTED),
        })
    }

    /// Whether an entry of this index may follow what is there.
    fn check_next(&self, index: u64) -> Result<(), String> {
        let expected = self.last.or(self.purged).map(|last| last.index + 1);
        match (self.last, expected) {
            (Some(last), _) if index > last.index + 1 => Err(format!(
                "entry {index} would leave a hole after entry {}",
                last.index
            )),
            (_, Some(expected)) if index < expected => Err(format!(
                "entry {index} is in the log already, which ends before {expected}"
            )),
            _ => Ok(()),
        }
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

impl<C: GroupConfig> RaftLogStorage<C> for GroupLog<C> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, StorageError<NodeId>> {
        let state = self.state();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last.or(state.purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), StorageError<NodeId>> {
        self.state().vote = Some(*vote);
        let changes = vec![Change::Put(record::VOTE, record::encode_vote(vote))];
        self.engine
            .write_and_wait(self.group, changes)
            .await
            .map_err(|reason| StorageIOError::write_vote(AnyError::error(reason)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, StorageError<NodeId>> {
        Ok(self.state().vote)
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogId<NodeId>>,
    ) -> Result<(), StorageError<NodeId>> {
        // Only saves time at a restart, so it rides with the next entries.
        let mut state = self.state();
        state.committed = committed;
        state.committed_unwritten = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<NodeId>>, StorageError<NodeId>> {
        Ok(self.committed())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<C>,
    ) -> Result<(), StorageError<NodeId>>
    where
        I: IntoIterator<Item = Entry<C>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let purged = self.state().purged.map(|purged| purged.index);
        // What is purged was applied, and need not be kept again.
        let entries: Vec<Entry<C>> = entries
            .into_iter()
            .filter(|entry| Some(entry.log_id.index) > purged)
            .collect();
        let encoded: Vec<EncodedEntry> = entries.iter().map(encode_entry::<C>).collect();

        let mut state = self.state();
        let write = state.queued + 1;
        for (entry, bytes) in entries.into_iter().zip(&encoded) {
            if let Err(reason) = state.check_next(entry.log_id.index) {
                return Err(StorageIOError::write_logs(AnyError::error(reason)).into());
            }
            if let openraft::EntryPayload::Normal(command) = &entry.payload {
                command.entered_log();
            }
            state.last = Some(entry.log_id);
            state.cache.push(entry, bytes.len(), write);
        }
        state.queued = write;
        let mut changes = vec![Change::Append(encoded)];
        if std::mem::take(&mut state.cut) {
            changes.push(Change::Delete(record::END));
        }
        changes.extend(state.take_committed());

        let shared = self.state.clone();
        let written = move |result: Result<(), String>| {
            if result.is_ok() {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.written = write;
                state.cache.evict(write);
            }
            callback.log_io_completed(result.map_err(std::io::Error::other));
        };
        // Queued under the lock, so that the order of the writes is that of the state.
        self.engine.write(self.group, changes, Box::new(written));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError<NodeId>> {
        let end = log_id.index;
        if self.state().last.is_none_or(|last| last.index < end) {
            return Ok(());
        }
        let before = match end.checked_sub(1) {
            Some(previous) => self.read(previous, end, usize::MAX).await?,
            None => Vec::new(),
        };
        let changes = {
            let mut state = self.state();
            state.last = before.last().map(|entry| entry.log_id);
            state.cut = true;
            state.cache.truncate(end);
            vec![Change::Put(record::END, record::encode_end(end))]
        };
        self.engine
            .write_and_wait(self.group, changes)
            .await
            .map_err(|reason| StorageIOError::write_logs(AnyError::error(reason)).into())
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError<NodeId>> {
        let mut state = self.state();
        if state
            .purged
            .is_some_and(|purged| purged.index >= log_id.index)
        {
            return Ok(());
        }
        state.purged = Some(log_id);
        state.cache.purge(log_id.index);
        let changes = vec![
            Change::Put(record::PURGED, record::encode_log_id(&log_id)),
            Change::CompactTo(log_id.index + 1),
        ];
        if state.last.is_some_and(|last| last.index <= log_id.index) {
            state.last = None;
        }
        let group = self.group;
        let written = move |result: Result<(), String>| {
            if let Err(reason) = result {
                tracing::error!(group, %reason, "cannot purge the raft log");
            }
        };
        // Nobody waits for it: what a crash brings back is purged again.
        self.engine.write(group, changes, Box::new(written));
        Ok(())
    }
}
