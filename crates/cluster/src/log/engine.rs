//! raft-engine behind two threads: one that writes for all groups at once, one that reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvError, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use protobuf::well_known_types::BytesValue;
use raft_engine::{Command, Config, Engine, LogBatch, MessageExt, ReadableSize};
use tokio::sync::oneshot;

use super::tail::check_last_files;
use crate::ClusterError;
use crate::directory::create_directory;

/// A batch is written and synced once it holds this much, whatever is still queued.
const BATCH_BYTES: usize = 8 << 20;
/// A writer that had nothing to do for so long lets go of its buffer.
const IDLE: Duration = Duration::from_millis(200);
/// The log is one sequence of files of this size.
const FILE_BYTES: u64 = 32 << 20;
/// Files are only reclaimed once the log is larger than this. Then the engine also copies what is still
/// needed out of the oldest files; so this is more than the growing rows of a node come to, or every
/// import would be written twice.
const PURGE_BYTES: u64 = 256 << 20;

/// One entry as the engine sees it: bytes that start with the index.
pub(super) struct Record;

impl MessageExt for Record {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        match entry.value.first_chunk::<8>() {
            Some(index) => u64::from_le_bytes(*index),
            None => u64::MAX,
        }
    }
}

/// One change to one group's part of the log.
pub(super) enum Change {
    /// Entries, each of which starts with its index; they replace those from the first index on.
    Append(Vec<Vec<u8>>),
    /// A small value.
    Put(&'static [u8], Vec<u8>),
    /// No small value.
    Delete(&'static [u8]),
    /// Drops the entries before an index.
    CompactTo(u64),
}

/// Called on the writing thread, once what it was given with is on disk or certainly failed.
type Written = Box<dyn FnOnce(Result<(), String>) + Send>;

struct Write {
    group: u64,
    changes: Vec<Change>,
    bytes: usize,
    written: Written,
}

struct Read {
    group: u64,
    first: u64,
    end: u64,
    limit: usize,
    answer: oneshot::Sender<Result<Vec<Bytes>, String>>,
}

/// The log of every raft group of this node: one append-only log on disk, written by one thread
/// that puts everything queued into one batch and one fsync.
#[derive(Clone)]
pub struct LogEngine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<Engine>,
    directory: PathBuf,
    purging: AtomicBool,
    // Dropped first, so that the threads end and can be waited for.
    queues: Mutex<Option<Queues>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Queues {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<Read>,
}

impl LogEngine {
    /// Opens or creates the log in `directory`. A torn tail, left by a crash, is cut off; damage
    /// anywhere else is an error.
    pub fn open(directory: &Path) -> Result<Self, ClusterError> {
        let storage_error = |reason: String| ClusterError::Storage {
            path: directory.to_owned(),
            reason: format!("cannot open the raft log: {reason}"),
        };
        create_directory(directory).map_err(|error| storage_error(error.to_string()))?;
        let Some(path) = directory.to_str() else {
            return Err(storage_error("its path is not UTF-8".to_owned()));
        };

        check_last_files(directory)
            .map_err(|(path, reason)| ClusterError::Storage { path, reason })?;
        let config = Config {
            dir: path.to_owned(),
            // The vectors are as good as random: compressing them costs time and saves nothing.
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize(FILE_BYTES),
            purge_threshold: ReadableSize(PURGE_BYTES),
            purge_rewrite_threshold: Some(ReadableSize(FILE_BYTES)),
            recovery_threads: 2,
            ..Config::default()
        };
        // The engine panics on some kinds of damage.
        let engine = catch_unwind(AssertUnwindSafe(|| Engine::open(config)))
            .map_err(|panic| storage_error(panic_message(panic.as_ref())))?
            .map_err(|error| storage_error(error.to_string()))?;
        let engine = Arc::new(engine);
        // The engine syncs its files, and leaves to the file system whether their names are synced.
        std::fs::File::open(directory)
            .and_then(|opened| opened.sync_all())
            .map_err(|error| storage_error(error.to_string()))?;

        let (writes, queued_writes) = mpsc::channel();
        let (reads, queued_reads) = mpsc::channel();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|error| storage_error(error.to_string()))
        };
        let writer = engine.clone();
        let reader = engine.clone();
        let threads = vec![
            spawn(
                "raft-log-write",
                Box::new(move || write_all(&writer, &queued_writes)),
            )?,
            spawn(
                "raft-log-read",
                Box::new(move || read_all(&reader, &queued_reads)),
            )?,
        ];

        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                directory: directory.to_owned(),
                purging: AtomicBool::new(false),
                queues: Mutex::new(Some(Queues { writes, reads })),
                threads: Mutex::new(threads),
            }),
        })
    }

    /// Where the log is.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Bytes of the log's files.
    pub fn disk_bytes(&self) -> u64 {
        self.shared.engine.get_used_size() as u64
    }

    /// Deletes the files that hold nothing any more. Blocks for as long as that takes; does
    /// nothing while another call is at it.
    pub fn reclaim(&self) -> Result<(), ClusterError> {
        if self.shared.purging.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let purged = catch_unwind(AssertUnwindSafe(|| {
            self.shared.engine.purge_expired_files()
        }));
        self.shared.purging.store(false, Ordering::Release);
        let reason = match purged {
            Ok(Ok(_groups_to_compact)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_message(panic.as_ref()),
        };
        Err(self.storage_error(format!("cannot reclaim space of the raft log: {reason}")))
    }

    pub(super) fn storage_error(&self, reason: String) -> ClusterError {
        ClusterError::Storage {
            path: self.shared.directory.clone(),
            reason,
        }
    }

    pub(super) fn value(&self, group: u64, key: &[u8]) -> Option<Vec<u8>> {
        self.shared.engine.get(group, key)
    }

    /// The first and the last index that the engine holds.
    pub(super) fn span(&self, group: u64) -> Option<(u64, u64)> {
        let engine = &self.shared.engine;
        Some((engine.first_index(group)?, engine.last_index(group)?))
    }

    /// Queues changes of one group, which take effect together and in the order of the calls.
    pub(super) fn write(&self, group: u64, changes: Vec<Change>, written: Written) {
        let bytes = changes.iter().map(Change::bytes).sum();
        let Some(queues) = self.queues() else {
            return written(Err("the log is closed".to_owned()));
        };
        let write = Write {
            group,
            changes,
            bytes,
            written,
        };
        if let Err(mpsc::SendError(write)) = queues.writes.send(write) {
            (write.written)(Err("the log's writer has stopped".to_owned()));
        }
    }

    /// Queues changes and waits until they are on disk.
    pub(super) async fn write_and_wait(
        &self,
        group: u64,
        changes: Vec<Change>,
    ) -> Result<(), String> {
        let (sender, answer) = oneshot::channel();
        let written = move |result| {
            // Nobody waits any more: nothing to tell.
            let _ = sender.send(result);
        };
        self.write(group, changes, Box::new(written));
        answer
            .await
            .unwrap_or_else(|_| Err("the log's writer has stopped".to_owned()))
    }

    /// The entries `first..end`, as many as fit into `limit` bytes but at least one.
    pub(super) async fn read(
        &self,
        group: u64,
        first: u64,
        end: u64,
        limit: usize,
    ) -> Result<Vec<Bytes>, String> {
        let (answer, read) = oneshot::channel();
        let stopped = || "the log's reader has stopped".to_owned();
        let queues = self.queues().ok_or_else(stopped)?;
        queues
            .reads
            .send(Read {
                group,
                first,
                end,
                limit,
                answer,
            })
            .map_err(|_| stopped())?;
        read.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn queues(&self) -> Option<Queues> {
        self.shared
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // What is queued is written before the thread ends; that it panicked was reported.
            let _ = thread.join();
        }
    }
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(entries) => entries.iter().map(Vec::len).sum(),
            Self::Put(_, value) => value.len(),
            Self::Delete(_) | Self::CompactTo(_) => 0,
        }
    }
}

fn write_all(engine: &Engine, queue: &mpsc::Receiver<Write>) {
    // After a failed write nobody knows what the disk holds: nothing more may be acknowledged.
    let mut failed: Option<String> = None;
    // Its memory is kept from one write to the next, but not for long: pages taken anew cost more than
    // what is copied into them.
    let mut batch = LogBatch::default();
    loop {
        let first = match queue.recv_timeout(IDLE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                batch = LogBatch::default();
                match queue.recv() {
                    Ok(first) => first,
                    Err(RecvError) => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut writes = vec![first];
        let mut bytes = writes[0].bytes;
        while bytes < BATCH_BYTES
            && let Ok(next) = queue.try_recv()
        {
            bytes += next.bytes;
            writes.push(next);
        }

        let mut callbacks = Vec::with_capacity(writes.len());
        let result = match &failed {
            Some(reason) => {
                callbacks.extend(writes.into_iter().map(|write| write.written));
                Err(reason.clone())
            }
            None => write_batch(engine, &mut batch, writes, &mut callbacks),
        };
        if let Err(reason) = &result
            && failed.is_none()
        {
            tracing::error!(%reason, "the raft log cannot be written any more");
            failed = Some(reason.clone());
        }
        for written in callbacks {
            written(result.clone());
        }
    }
}

fn write_batch(
    engine: &Engine,
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
            let records: Vec<BytesValue> = entries
                .into_iter()
                .map(|value| BytesValue {
                    value,
                    ..BytesValue::default()
                })
                .collect();
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

/// The engine keeps the last block that a thread has read in memory: so one thread reads.
fn read_all(engine: &Engine, queue: &mpsc::Receiver<Read>) {
    while let Ok(read) = queue.recv() {
        let mut records = Vec::new();
        let fetched = catch_unwind(AssertUnwindSafe(|| {
            let Read {
                group,
                first,
                end,
                limit,
                ..
            } = read;
            engine.fetch_entries_to::<Record>(group, first, end, Some(limit), &mut records)
        }));
        let result = match fetched {
            Ok(Ok(_count)) => Ok(records
                .into_iter()
                .map(|record| Bytes::from(record.value))
                .collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => Err(panic_message(panic.as_ref())),
        };
        // Nobody waits any more: nothing to tell.
        let _ = read.answer.send(result);
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            panic
                .downcast_ref::<&str>()
                .map(|message| (*message).to_owned())
        })
        .unwrap_or_else(|| "the log engine panicked".to_owned())
}
