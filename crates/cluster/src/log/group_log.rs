//! The log of one raft group.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::{LogId, Vote};

use super::engine::LogEngine;
use super::group_state::GroupState;
use super::writer::Change;
use super::{GroupConfig, record};
use crate::{ClusterError, NodeId};

/// The log of one raft group; clones are handles to the same log.
pub(crate) struct GroupLog<C: GroupConfig> {
    pub(super) engine: LogEngine,
    pub(super) group: u64,
    pub(super) state: Arc<Mutex<GroupState<C>>>,
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
            state: Arc::new(Mutex::new(GroupState {
                vote: vote.map_err(damaged)?,
                committed: committed.map_err(damaged)?,
                purged: purged.map_err(damaged)?,
                left: left.map_err(damaged)?,
                cut: end.is_some(),
                ..GroupState::empty()
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
            *state = GroupState {
                vote,
                left,
                ..GroupState::empty()
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

    pub(super) fn state(&self) -> MutexGuard<'_, GroupState<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
