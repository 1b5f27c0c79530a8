//! A shard's replica as raft sees it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use tokio::sync::Notify;
use vectra_store::{Frozen, Shard, StoreError};

use super::{Applied, ShardConfig, ShardOutcome, ShardSnapshot};
use crate::NodeId;
use crate::background::{Unfinished, run_in_background};

/// Entries that a checkpoint covers stay in the log for followers that lag a little, unless they
/// are more than this many bytes or entries.
const KEPT_BYTES: u64 = 32 << 20;
const KEPT_ENTRIES: usize = 1_000;

/// At a start the sizes of the entries before the checkpoint are unknown; so many of the largest
/// that are proposed come to [`KEPT_BYTES`].
const KEPT_AT_START: u64 = 16;

/// Applies a shard's entries to its store.
#[derive(Clone)]
pub(crate) struct ShardMachine {
    shard: Arc<Shard>,
    progress: Arc<Progress>,
}

/// What the group around the machine needs to know of it.
pub(crate) struct Progress {
    state: Mutex<State>,
    /// Held while entries are applied, so that nothing is frozen in the middle.
    applying: Mutex<()>,
    /// Whether a checkpoint is being written.
    sealing: AtomicBool,
    /// Whether the group has been asked to stop.
    stopping: AtomicBool,
    /// Sealing and compaction.
    unfinished: Unfinished,
    /// Counts the checkpoints written.
    checkpoints: AtomicU64,
    /// Whether a checkpoint was begun since the last one was asked for.
    begun: AtomicBool,
    /// Why the last checkpoint could not be written, if so.
    trouble: Mutex<Option<String>>,
    /// Something was applied, or a checkpoint is done.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct State {
    applied: Applied,
    /// When that was last moved on.
    applied_at: Option<Instant>,
    bytes_since_checkpoint: u64,
    entries_since_checkpoint: u64,
    /// The newest entries applied, with their bytes.
    recent: VecDeque<(u64, u64)>,
    recent_bytes: u64,
    /// The newest entry that is not among them.
    dispensable: Option<u64>,
}

impl Progress {
    fn applying(&self) -> MutexGuard<'_, ()> {
        self.applying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes and number of the entries that the next checkpoint will cover.
    pub(crate) fn since_checkpoint(&self) -> (u64, u64) {
        let state = self.state();
        (state.bytes_since_checkpoint, state.entries_since_checkpoint)
    }

    /// How long ago the last entry was applied.
    pub(crate) fn quiet_for(&self) -> Duration {
        let applied_at = self.state().applied_at;
        applied_at.map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Index of the last entry applied.
    pub(crate) fn applied(&self) -> Option<u64> {
        self.state().applied.last.map(|last| last.index)
    }

    /// The last entry that lagging followers need not find in the log, if a checkpoint covers it.
    pub(crate) fn dispensable(&self) -> Option<u64> {
        self.state().dispensable
    }

    /// Whether a checkpoint is being written.
    pub(crate) fn is_sealing(&self) -> bool {
        self.sealing.load(Ordering::Acquire)
    }

    /// Nothing long is to be begun any more.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Work in the background that holds the shard.
    pub(crate) fn unfinished(&self) -> &Unfinished {
        &self.unfinished
    }

    /// Whether the group has been asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// How many checkpoints were written since the start.
    pub(crate) fn checkpoints(&self) -> u64 {
        self.checkpoints.load(Ordering::Acquire)
    }

    /// A checkpoint is about to be asked for.
    pub(crate) fn note_request(&self) {
        self.begun.store(false, Ordering::Release);
    }

    /// Whether raft has followed that request.
    pub(crate) fn begun_since_request(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Why the last checkpoint could not be written, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl State {
    fn note(&mut self, entry: &Entry<ShardConfig>) {
        let bytes = match &entry.payload {
            EntryPayload::Normal(command) => {
                command.batches.iter().map(|batch| batch.len() as u64).sum()
            }
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        };
        self.bytes_since_checkpoint += bytes;
        self.entries_since_checkpoint += 1;
        self.applied_at = Some(Instant::now());
        self.recent.push_back((entry.log_id.index, bytes));
        self.recent_bytes += bytes;
        while self.recent_bytes > KEPT_BYTES || self.recent.len() > KEPT_ENTRIES {
            match self.recent.pop_front() {
                Some((index, bytes)) => {
                    self.recent_bytes -= bytes;
                    self.dispensable = Some(index);
                }
                None => break,
            }
        }
    }
}

impl ShardMachine {
    /// The machine of a shard, as far as the shard's last checkpoint goes.
    pub(crate) fn new(shard: Arc<Shard>) -> Result<Self, String> {
        let applied = match shard.mark() {
            Some(mark) => Applied::decode(&mark)?,
            None => Applied::default(),
        };
        let checkpoint = applied.last.map(|last| last.index);
        let progress = Progress {
            state: Mutex::new(State {
                applied,
                dispensable: checkpoint.and_then(|index| index.checked_sub(KEPT_AT_START)),
                ..State::default()
            }),
            applying: Mutex::new(()),
            sealing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            unfinished: Unfinished::default(),
            checkpoints: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            trouble: Mutex::new(None),
            changed: Notify::new(),
        };
        Ok(Self {
            shard,
            progress: Arc::new(progress),
        })
    }

    /// The last entry applied.
    pub(crate) fn last_applied(&self) -> Option<LogId<NodeId>> {
        self.progress.state().applied.last
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    fn current_snapshot(&self) -> Result<Option<Snapshot<ShardConfig>>, StorageError<NodeId>> {
        let read_error =
            |reason: String| StorageIOError::read_snapshot(None, AnyError::error(reason));
        let Some(snapshot) = self
            .shard
            .snapshot()
            .map_err(|error| read_error(error.to_string()))?
        else {
            return Ok(None);
        };
        let applied = Applied::decode(&snapshot.mark()).map_err(read_error)?;
        Ok(Some(Snapshot {
            meta: applied.snapshot_meta(),
            snapshot: Box::new(ShardSnapshot::Local(snapshot)),
        }))
    }

    /// Applies entries one after the other. Blocks.
    pub(crate) fn apply_all(
        &self,
        entries: Vec<Entry<ShardConfig>>,
    ) -> Result<Vec<ShardOutcome>, StorageError<NodeId>> {
        let _not_in_the_middle = self.progress.applying();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut outcome = ShardOutcome::default();
            match &entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    let stored = StoredMembership::new(Some(entry.log_id), membership.clone());
                    self.progress.state().applied.membership = stored;
                }
                EntryPayload::Normal(command) => {
                    for batch in &command.batches {
                        let applied = self.apply_batch(batch).map_err(|reason| {
                            StorageIOError::apply(entry.log_id, AnyError::error(reason))
                        })?;
                        outcome.batches.push(applied);
                    }
                }
            }
            let mut state = self.progress.state();
            state.applied.last = Some(entry.log_id);
            state.note(&entry);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// What is wrong with the batch itself is the same on every replica and part of the outcome;
    /// what is wrong with this replica stops it.
    fn apply_batch(&self, batch: &Bytes) -> Result<Result<u64, String>, String> {
        match self.shard.apply(batch) {
            Ok(applied) => Ok(Ok(applied.existed)),
            Err(error @ (StoreError::BadBatch { .. } | StoreError::WrongDimension { .. })) => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Captures what is applied, between two calls of `apply_all`.
    fn freeze(&self) -> Result<Frozen, String> {
        let _not_in_the_middle = self.progress.applying();
        let applied = {
            let mut state = self.progress.state();
            state.bytes_since_checkpoint = 0;
            state.entries_since_checkpoint = 0;
            state.applied.clone()
        };
        let mark = applied.encode()?;
        Ok(self.shard.freeze(mark.into()))
    }

    /// Makes a checkpoint of what is applied, beside raft: before it starts, or after it stopped.
    /// Blocks. An error leaves the checkpoint before.
    pub(crate) fn checkpoint(&self) -> Result<(), String> {
        loop {
            match self.shard.seal(self.freeze()?) {
                Ok(()) => {
                    self.progress.set_trouble(None);
                    self.progress.checkpoints.fetch_add(1, Ordering::AcqRel);
                    return Ok(());
                }
                // One that raft had begun was written meanwhile, and this one may go further.
                Err(StoreError::Overtaken) => {}
                Err(error) => {
                    self.progress.set_trouble(Some(error.to_string()));
                    return Err(error.to_string());
                }
            }
        }
    }

    /// Whether anything was applied that no checkpoint holds.
    pub(crate) fn is_ahead_of_checkpoint(&self) -> bool {
        let (_, entries) = self.progress.since_checkpoint();
        entries > 0 || self.progress.trouble().is_some()
    }

    /// Copies another shard's checkpoint into this one. Blocks.
    fn copy(&self, source: &vectra_store::Snapshot) -> Result<(), StoreError> {
        let mut receiver = self.shard.receive()?;
        let mut buffer = vec![0; crate::network::CHUNK_BYTES];
        for (file, described) in source.files().iter().enumerate() {
            receiver.begin_file(&described.name, described.len)?;
            let mut offset = 0;
            while offset < described.len {
                let size = (described.len - offset).min(buffer.len() as u64) as usize;
                source.read_at(file, offset, &mut buffer[..size])?;
                receiver.write(&buffer[..size])?;
                offset += size as u64;
            }
        }
        let received = receiver.finish(&source.manifest())?;
        self.shard.install(received)
    }
}

impl RaftStateMachine<ShardConfig> for ShardMachine {
    type SnapshotBuilder = Checkpoint;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, BasicNode>), StorageError<NodeId>>
    {
        let applied = self.progress.state().applied.clone();
        Ok((applied.last, applied.membership))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<ShardOutcome>, StorageError<NodeId>>
    where
        I: IntoIterator<Item = Entry<ShardConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let machine = self.clone();
        // Quantising a large batch keeps a core busy: not on a thread that also has heartbeats.
        let applied = tokio::task::spawn_blocking(move || machine.apply_all(entries))
            .await
            .map_err(|error| StorageIOError::write_state_machine(AnyError::error(error)))?;
        self.progress.changed.notify_one();
        applied
    }

    async fn get_snapshot_builder(&mut self) -> Checkpoint {
        self.progress.sealing.store(true, Ordering::Release);
        self.progress.begun.store(true, Ordering::Release);
        Checkpoint {
            machine: self.clone(),
            frozen: Some(self.freeze()),
        }
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<ShardSnapshot>, StorageError<NodeId>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, BasicNode>,
        snapshot: Box<ShardSnapshot>,
    ) -> Result<(), StorageError<NodeId>> {
        let machine = self.clone();
        let installed = tokio::task::spawn_blocking(move || match *snapshot {
            ShardSnapshot::Received(received) => machine
                .shard
                .install(received)
                .map_err(|error| error.to_string()),
            ShardSnapshot::Local(local) => machine.copy(&local).map_err(|error| error.to_string()),
            ShardSnapshot::Nothing => Err("there is no snapshot to install".to_owned()),
        })
        .await
        .map_err(|error| error.to_string())
        .flatten();
        installed.map_err(|reason| {
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::error(reason))
        })?;

        let applied = Applied {
            last: meta.last_log_id,
            membership: meta.last_membership.clone(),
        };
        *self.progress.state() = State {
            applied,
            ..State::default()
        };
        self.progress.changed.notify_one();
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<ShardConfig>>, StorageError<NodeId>> {
        self.current_snapshot()
    }
}

/// A checkpoint about to be written.
pub(crate) struct Checkpoint {
    machine: ShardMachine,
    frozen: Option<Result<Frozen, String>>,
}

impl RaftSnapshotBuilder<ShardConfig> for Checkpoint {
    async fn build_snapshot(&mut self) -> Result<Snapshot<ShardConfig>, StorageError<NodeId>> {
        let frozen = self.frozen.take();
        let shard = self.machine.shard.clone();
        let progress = self.machine.progress.clone();
        let unfinished = progress.unfinished().clone();
        let sealed = run_in_background("seal", &unfinished, move || match frozen {
            Some(Ok(frozen)) => match shard.seal(frozen) {
                // A snapshot was installed meanwhile: it is the later checkpoint.
                Ok(()) | Err(StoreError::Overtaken) => {
                    progress.set_trouble(None);
                    progress.checkpoints.fetch_add(1, Ordering::AcqRel);
                    Ok(())
                }
                // A full disk stops no searches: the rows are in memory and the entries in the
                // log, so the checkpoint before still holds, and another is tried soon.
                Err(error @ StoreError::Io { .. }) => {
                    tracing::error!(%error, "a checkpoint could not be written");
                    progress.set_trouble(Some(error.to_string()));
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Some(Err(reason)) => Err(reason),
            None => Err("a checkpoint is written only once".to_owned()),
        })
        .await
        .flatten();
        self.machine
            .progress
            .sealing
            .store(false, Ordering::Release);
        self.machine.progress.changed.notify_one();
        sealed.map_err(|reason| StorageIOError::write_snapshot(None, AnyError::error(reason)))?;

        let none_yet = || Snapshot {
            meta: SnapshotMeta::default(),
            snapshot: Box::new(ShardSnapshot::Nothing),
        };
        Ok(self.machine.current_snapshot()?.unwrap_or_else(none_yet))
    }
}
