//! Writes the log of one group as raft asks.

use std::sync::PoisonError;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, LogId, LogState, OptionalSend, StorageError, StorageIOError, Vote,
};

use super::writer::Change;
use super::{Command, EncodedEntry, GroupConfig, GroupLog, encode_entry, record};
use crate::NodeId;

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
