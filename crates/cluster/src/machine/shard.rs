//! A shard's replica as raft sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, Entry, EntryPayload, LogId, OptionalSend, Snapshot, SnapshotMeta,
    StorageError, StorageIOError, StoredMembership,
};
use vectra_store::{Frozen, Shard, ShardView, StoreError};

use super::checkpoint::Checkpoint;
use super::progress::{Progress, State};
use super::{
    Applied, BatchRefusal, Children, ShardCommand, ShardConfig, ShardOutcome, ShardSnapshot,
};
use crate::{NodeId, Workers};

/// Applies a shard's entries to its store.
#[derive(Clone)]
pub(crate) struct ShardMachine {
    pub(super) shard: Arc<Shard>,
    pub(super) progress: Arc<Progress>,
    pub(super) children: Children,
    workers: Workers,
}

impl ShardMachine {
    /// The machine of a shard, as far as the shard's last checkpoint goes.
    pub(crate) fn new(shard: Arc<Shard>, children: Children) -> Result<Self, String> {
        let applied = match shard.mark() {
            Some(mark) => Applied::decode(&mark)?,
            None => Applied::default(),
        };
        Ok(Self {
            shard,
            progress: Arc::new(Progress::new(applied)),
            children,
            workers: Workers::default(),
        })
    }

    /// The same, with its work done by these.
    pub(crate) fn with_workers(self, workers: Workers) -> Self {
        Self { workers, ..self }
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// The last entry applied.
    pub(crate) fn last_applied(&self) -> Option<LogId<NodeId>> {
        self.progress.state().applied.last
    }

    /// Whether this is the very state that a split made, or that an empty group founds itself with.
    pub(crate) fn is_newborn(&self) -> bool {
        self.last_applied() == Some(LogId::default())
    }

    /// What is applied, and how many entries that is. Waits for those that are being applied: blocks.
    pub(crate) fn view_as_of(&self) -> (u64, Arc<ShardView>) {
        let _not_in_the_middle = self.progress.applying();
        let entries = self.progress.applied().map_or(0, |last| last + 1);
        (entries, self.shard.view())
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    pub(super) fn current_snapshot(
        &self,
    ) -> Result<Option<Snapshot<ShardConfig>>, StorageError<NodeId>> {
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
                    outcome = self
                        .apply_command(entry.log_id, command)
                        .map_err(|reason| {
                            StorageIOError::apply(entry.log_id, AnyError::error(reason))
                        })?;
                }
            }
            let mut state = self.progress.state();
            state.applied.last = Some(entry.log_id);
            state.note(&entry);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// What is wrong with the command itself is the same on every replica and part of the outcome;
    /// what is wrong with this replica stops it.
    fn apply_command(
        &self,
        log_id: LogId<NodeId>,
        command: &ShardCommand,
    ) -> Result<ShardOutcome, String> {
        let mut outcome = ShardOutcome::default();
        if let Some(split) = &command.split {
            outcome.split_refused = self.apply_split(log_id, split)?.err();
        }
        for batch in &command.batches {
            outcome.batches.push(self.apply_batch(batch)?);
        }
        Ok(outcome)
    }

    fn apply_batch(&self, batch: &Bytes) -> Result<Result<u64, BatchRefusal>, String> {
        let applied = match self.progress.range() {
            Some(range) => {
                (self.shard).apply_where(batch, |id| range.contains(crate::placement::hash(id)))
            }
            None => self.shard.apply(batch),
        };
        match applied {
            Ok(applied) => Ok(Ok(applied.existed)),
            Err(StoreError::NotAdmitted { .. }) => Ok(Err(BatchRefusal::Elsewhere)),
            Err(error @ (StoreError::BadBatch { .. } | StoreError::WrongDimension { .. })) => {
                Ok(Err(BatchRefusal::Bad(error.to_string())))
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
                    self.note_checkpoint();
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

    pub(super) fn note_checkpoint(&self) {
        self.progress.set_trouble(None);
        self.progress.checkpoints.fetch_add(1, Ordering::AcqRel);
        let mark = self.shard.mark();
        if let Some(Ok(covered)) = mark.map(|mark| Applied::decode(&mark)) {
            let splits = covered.splits.len();
            (self.progress.sealed_splits).store(splits, Ordering::Release);
        }
    }

    /// Whether anything was applied that no checkpoint holds.
    pub(crate) fn is_ahead_of_checkpoint(&self) -> bool {
        let (_, entries) = self.progress.since_checkpoint();
        entries > 0 || self.progress.trouble().is_some()
    }

    /// Puts a snapshot in the place of everything here. Blocks.
    fn install(
        &self,
        meta: &SnapshotMeta<NodeId, BasicNode>,
        snapshot: ShardSnapshot,
    ) -> Result<(), String> {
        let mark = match &snapshot {
            ShardSnapshot::Received(received) => received.mark(),
            ShardSnapshot::Local(local) => local.mark(),
            ShardSnapshot::Nothing => return Err("there is no snapshot to install".to_owned()),
        };
        let described = Applied::decode(&mark)?;
        let _together = self.progress.range_is_changing();
        let installed = match snapshot {
            ShardSnapshot::Received(received) => self.shard.install(received),
            ShardSnapshot::Local(local) => self.copy(&local),
            ShardSnapshot::Nothing => Ok(()),
        };
        installed.map_err(|error| error.to_string())?;
        let splits = described.splits.len();
        (self.progress.sealed_splits).store(splits, Ordering::Release);
        self.progress.end_split();
        *self.progress.state() = State::of(Applied {
            last: meta.last_log_id,
            membership: meta.last_membership.clone(),
            ..described
        });
        Ok(())
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
        let applied = self
            .workers
            .run("apply", move || machine.apply_all(entries))
            .await
            .map_err(|error| StorageIOError::write_state_machine(AnyError::error(error)))?;
        self.progress.changed.notify_one();
        self.progress.applied_more.notify_waiters();
        applied
    }

    async fn get_snapshot_builder(&mut self) -> Checkpoint {
        self.progress.sealing.store(true, Ordering::Release);
        self.progress.begun.store(true, Ordering::Release);
        Checkpoint::new(self.clone(), self.freeze())
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
        let described = meta.clone();
        let installing = move || machine.install(&described, *snapshot);
        let installed = self.workers.run("install", installing).await.flatten();
        installed.map_err(|reason| {
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::error(reason))
        })?;
        self.progress.changed.notify_one();
        self.progress.applied_more.notify_waiters();
        self.children.announce();
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<ShardConfig>>, StorageError<NodeId>> {
        self.current_snapshot()
    }
}
