//! How far a shard's replica has come, for the group around it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use openraft::{Entry, EntryPayload};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Applied, ShardConfig};
use crate::workers::Unfinished;

/// Entries that a checkpoint covers stay in the log for followers that lag a little, unless they
/// are more than this many bytes or entries.
const KEPT_BYTES: u64 = 32 << 20;
const KEPT_ENTRIES: usize = 1_000;

/// At a start the sizes of the entries before the checkpoint are unknown; so many of the largest
/// that are proposed come to [`KEPT_BYTES`].
const KEPT_AT_START: u64 = 16;

/// What the group around the machine needs to know of it.
pub(crate) struct Progress {
    state: Mutex<State>,
    /// Held for writing while rows and range change together.
    pub(super) range_changes: RwLock<()>,
    /// Whether this replica has proposed a split that it has not applied.
    pub(super) splitting: AtomicBool,
    /// How many splits the last checkpoint covers.
    pub(super) sealed_splits: AtomicUsize,
    /// Held while entries are applied, so that nothing is frozen in the middle.
    applying: Mutex<()>,
    /// Whether a checkpoint is being written.
    pub(super) sealing: AtomicBool,
    /// Whether the group has been asked to stop.
    stopping: AtomicBool,
    /// Sealing and compaction.
    unfinished: Unfinished,
    /// Counts the checkpoints written.
    pub(super) checkpoints: AtomicU64,
    /// Whether a checkpoint was begun since the last one was asked for.
    pub(super) begun: AtomicBool,
    /// Why the last checkpoint could not be written, if so.
    trouble: Mutex<Option<String>>,
    /// Something was applied, or a checkpoint is done: for the one who keeps the log short.
    pub(crate) changed: Notify,
    /// Something was applied: for all who wait for it.
    pub(crate) applied_more: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) applied: Applied,
    /// When that was last moved on.
    applied_at: Option<Instant>,
    pub(super) bytes_since_checkpoint: u64,
    pub(super) entries_since_checkpoint: u64,
    /// The newest entries applied, with their bytes.
    recent: VecDeque<(u64, u64)>,
    recent_bytes: u64,
    /// The newest entry that is not among them.
    dispensable: Option<u64>,
}

impl Progress {
    /// As far as the last checkpoint goes.
    pub(super) fn new(applied: Applied) -> Self {
        let checkpoint = applied.last.map(|last| last.index);
        Self {
            sealed_splits: AtomicUsize::new(applied.splits.len()),
            state: Mutex::new(State {
                dispensable: checkpoint.and_then(|index| index.checked_sub(KEPT_AT_START)),
                ..State::of(applied)
            }),
            range_changes: RwLock::default(),
            splitting: AtomicBool::new(false),
            applying: Mutex::new(()),
            sealing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            unfinished: Unfinished::default(),
            checkpoints: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            trouble: Mutex::new(None),
            changed: Notify::new(),
            applied_more: Notify::new(),
        }
    }

    pub(super) fn applying(&self) -> MutexGuard<'_, ()> {
        self.applying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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

    /// The rows were written a moment ago, by a split: what of them is another's may be compacted away
    /// as after a checkpoint of this run.
    pub(crate) fn note_birth(&self) {
        self.checkpoints.fetch_add(1, Ordering::AcqRel);
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

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl State {
    /// Right after a checkpoint.
    pub(super) fn of(applied: Applied) -> Self {
        Self {
            applied,
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, entry: &Entry<ShardConfig>) {
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
