//! Writes what all groups change: whatever has gathered goes into one batch and one fsync.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvError, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use raft_engine::{Command, Engine, LogBatch};

use super::EncodedEntry;
use super::disk::Files;
use super::engine::panic_message;
use super::logged_entry::{LoggedEntry, Record};
use crate::workers::Pace;

/// A batch is written and synced once it holds this much, whatever is still queued.
const BATCH_BYTES: usize = 8 << 20;
/// A writer that had nothing to do for so long lets go of its buffer.
const IDLE: Duration = Duration::from_millis(200);

/// One change to one group's part of the log.
pub(super) enum Change {
    /// Entries, each of which starts with its index; they replace those from the first index on.
    Append(Vec<EncodedEntry>),
    /// A small value.
    Put(&'static [u8], Vec<u8>),
    /// No small value.
    Delete(&'static [u8]),
    /// Drops the entries before an index.
    CompactTo(u64),
}

/// Called by the writer, once what it was given with is on disk or certainly failed.
pub(super) type Written = Box<dyn FnOnce(Result<(), String>) + Send>;

pub(super) struct Write {
    pub(super) group: u64,
    pub(super) changes: Vec<Change>,
    pub(super) bytes: usize,
    pub(super) written: Written,
}

impl Change {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(entries) => entries.iter().map(EncodedEntry::len).sum(),
            Self::Put(_, value) => value.len(),
            Self::Delete(_) | Self::CompactTo(_) => 0,
        }
    }
}

struct Writer {
    engine: Arc<Engine<Files>>,
    /// Its memory is kept from one write to the next, but not for long: pages taken anew cost more than
    /// what is copied into them.
    batch: LogBatch,
    /// After a failed write nobody knows what the disk holds: nothing more may be acknowledged.
    failed: Option<String>,
}

impl Writer {
    fn new(engine: Arc<Engine<Files>>) -> Self {
        Self {
            engine,
            batch: LogBatch::default(),
            failed: None,
        }
    }

    /// Writes the first and those queued behind it, as many as fit, and tells each what became of it.
    fn write(&mut self, first: Write, mut next: impl FnMut() -> Option<Write>) {
        let mut bytes = first.bytes;
        let mut writes = vec![first];
        while bytes < BATCH_BYTES
            && let Some(next) = next()
        {
            bytes += next.bytes;
            writes.push(next);
        }

        let mut callbacks = Vec::with_capacity(writes.len());
        let result = match &self.failed {
            Some(reason) => {
                callbacks.extend(writes.into_iter().map(|write| write.written));
                Err(reason.clone())
            }
            None => write_batch(&self.engine, &mut self.batch, writes, &mut callbacks),
        };
        if let Err(reason) = &result
            && self.failed.is_none()
        {
            tracing::error!(%reason, "the raft log cannot be written any more");
            self.failed = Some(reason.clone());
        }
        for written in callbacks {
            written(result.clone());
        }
    }
}

/// Writes on the calling thread until nobody can queue anything any more.
pub(super) fn write_all(engine: Arc<Engine<Files>>, queue: &mpsc::Receiver<Write>) {
    let mut writer = Writer::new(engine);
    loop {
        let first = match queue.recv_timeout(IDLE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                writer.batch = LogBatch::default();
                match queue.recv() {
                    Ok(first) => first,
                    Err(RecvError) => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        writer.write(first, || queue.try_recv().ok());
    }
}

/// Writes in a task that lives as long as something is queued. Clones share it.
#[derive(Clone)]
pub(super) struct WriterInTurn {
    pace: Arc<dyn Pace>,
    state: Arc<Mutex<InTurn>>,
}

struct InTurn {
    writer: Writer,
    queue: VecDeque<Write>,
    is_running: bool,
}

impl WriterInTurn {
    pub(super) fn new(engine: Arc<Engine<Files>>, pace: Arc<dyn Pace>) -> Self {
        let state = InTurn {
            writer: Writer::new(engine),
            queue: VecDeque::new(),
            is_running: false,
        };
        Self {
            pace,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Needs a tokio runtime.
    pub(super) fn queue(&self, write: Write) {
        let begins = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.queue.push_back(write);
            !std::mem::replace(&mut state.is_running, true)
        };
        if begins {
            tokio::spawn(self.clone().run());
        }
    }

    async fn run(self) {
        loop {
            tokio::time::sleep(self.pace.pause("log")).await;
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let InTurn {
                writer,
                queue,
                is_running,
            } = &mut *state;
            if let Some(first) = queue.pop_front() {
                writer.write(first, || queue.pop_front());
            }
            if queue.is_empty() {
                *is_running = false;
                return;
            }
        }
    }
}

fn write_batch(
    engine: &Engine<Files>,
    batch: &mut LogBatch,
    writes: Vec<Write>,
    callbacks: &mut Vec<Written>,
) -> Result<(), String> {
    let mut filled = Ok(());
    for write in writes {
        callbacks.push(write.written);
        for change in write.changes {
            filled = filled.and_then(|()| add(batch, write.group, change));
        }
    }
    filled?;
    // Always synced, so that only the last batch can be torn: see `tail.rs`.
    match catch_unwind(AssertUnwindSafe(|| engine.write(batch, true))) {
        Ok(Ok(_bytes)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic_message(panic.as_ref())),
    }
}

fn add(batch: &mut LogBatch, group: u64, change: Change) -> Result<(), String> {
    let added = match change {
        Change::Append(entries) => {
            let records: Vec<LoggedEntry> = entries.into_iter().map(LoggedEntry::new).collect();
            batch.add_entries::<Record>(group, &records)
        }
        Change::Put(key, value) => batch.put(group, key.to_vec(), value),
        Change::Delete(key) => {
            batch.delete(group, key.to_vec());
            Ok(())
        }
        Change::CompactTo(index) => {
            batch.add_command(group, Command::Compact { index });
            Ok(())
        }
    };
    added.map_err(|error| error.to_string())
}
