//! raft-engine behind two threads: one that writes for all groups at once, one that reads.
//!
//! Where work is done in turn ([`Workers::InTurn`]) there are none: a task writes, and whoever reads reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use raft_engine::{Config, Engine, ReadableSize};
use tokio::sync::oneshot;

use super::disk::{Files, LogDisk};
use super::logged_entry::{LoggedEntry, Record};
use super::record;
use super::tail::check_last_files;
use super::writer::{Change, Write, WriterInTurn, Written, write_all};
use crate::directory::create_directory;
use crate::{ClusterError, Workers};

/// The log is one sequence of files of this size.
const FILE_BYTES: u64 = 32 << 20;
/// Files are only reclaimed once the log is larger than this. Then the engine also copies what is still
/// needed out of the oldest files; so this is more than the growing rows of a node come to, or every
/// import would be written twice.
const PURGE_BYTES: u64 = 256 << 20;

/// Entries to read: as many as fit into the limit, in bytes, but at least one.
#[derive(Clone, Copy)]
struct Wanted {
    group: u64,
    first: u64,
    end: u64,
    limit: usize,
}

struct Read {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Vec<Bytes>, String>>,
}

/// The log of every raft group of this node: one append-only log on disk, written by one thread
/// that puts everything queued into one batch and one fsync.
#[derive(Clone)]
pub struct LogEngine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<Engine<Files>>,
    workers: Workers,
    directory: PathBuf,
    purging: AtomicBool,
    // Dropped first, so that the threads end and can be waited for.
    queues: Mutex<Option<Queues>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
enum Queues {
    Threads {
        writes: mpsc::Sender<Write>,
        reads: mpsc::Sender<Read>,
    },
    InTurn(WriterInTurn),
}

impl LogEngine {
    /// Opens or creates the log in `directory`. A torn tail, left by a crash, is cut off; damage
    /// anywhere else is an error.
    pub fn open(directory: &Path) -> Result<Self, ClusterError> {
        Self::open_with(directory, Files::default(), Workers::Threads)
    }

    /// Opens or creates the log in `directory`, its files on another disk than the operating system's,
    /// and all work of this node's groups done by these workers.
    pub fn open_on(
        directory: &Path,
        disk: Arc<dyn LogDisk>,
        workers: Workers,
    ) -> Result<Self, ClusterError> {
        Self::open_with(directory, Files::Given(disk), workers)
    }

    fn open_with(directory: &Path, files: Files, workers: Workers) -> Result<Self, ClusterError> {
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
        let engine = catch_unwind(AssertUnwindSafe(|| {
            Engine::open_with_file_system(config, Arc::new(files))
        }))
        .map_err(|panic| storage_error(panic_message(panic.as_ref())))?
        .map_err(|error| storage_error(error.to_string()))?;
        let engine = Arc::new(engine);
        // The engine syncs its files, and leaves to the file system whether their names are synced.
        std::fs::File::open(directory)
            .and_then(|opened| opened.sync_all())
            .map_err(|error| storage_error(error.to_string()))?;

        let (queues, threads) = match &workers {
            Workers::InTurn(pace) => {
                let writer = WriterInTurn::new(engine.clone(), pace.clone());
                (Queues::InTurn(writer), Vec::new())
            }
            Workers::Threads => {
                start_threads(&engine).map_err(|error| storage_error(error.to_string()))?
            }
        };

        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                workers,
                directory: directory.to_owned(),
                purging: AtomicBool::new(false),
                queues: Mutex::new(Some(queues)),
                threads: Mutex::new(threads),
            }),
        })
    }

    /// Where the log is.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Who does the work of this node's groups.
    pub(crate) fn workers(&self) -> &Workers {
        &self.shared.workers
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
        let purged = on_new_thread(|| self.shared.engine.purge_expired_files());
        self.shared.purging.store(false, Ordering::Release);
        let reason = match purged {
            Ok(Ok(_groups_to_compact)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(reason) => reason,
        };
        Err(self.storage_error(format!("cannot reclaim space of the raft log: {reason}")))
    }

    pub(super) fn storage_error(&self, reason: String) -> ClusterError {
        ClusterError::Storage {
            path: self.shared.directory.clone(),
            reason,
        }
    }

    /// Whether a copy of this node's was dropped because it had left the group.
    pub(crate) fn has_left(&self, group: u64) -> bool {
        self.value(group, record::LEFT).is_some()
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
        match queues {
            Queues::Threads { writes, .. } => {
                if let Err(mpsc::SendError(write)) = writes.send(write) {
                    (write.written)(Err("the log's writer has stopped".to_owned()));
                }
            }
            Queues::InTurn(writer) => writer.queue(write),
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
        let wanted = Wanted {
            group,
            first,
            end,
            limit,
        };
        let stopped = || "the log's reader has stopped".to_owned();
        match self.queues().ok_or_else(stopped)? {
            Queues::Threads { reads, .. } => {
                let (answer, read) = oneshot::channel();
                reads.send(Read { wanted, answer }).map_err(|_| stopped())?;
                read.await.unwrap_or_else(|_| Err(stopped()))
            }
            Queues::InTurn(_) => on_new_thread(|| read_from(&self.shared.engine, wanted))?,
        }
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

fn start_threads(engine: &Arc<Engine<Files>>) -> std::io::Result<(Queues, Vec<JoinHandle<()>>)> {
    let (writes, queued_writes) = mpsc::channel();
    let (reads, queued_reads) = mpsc::channel();
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
    };
    let (writer, reader) = (engine.clone(), engine.clone());
    let threads = vec![
        spawn(
            "raft-log-write",
            Box::new(move || write_all(writer, &queued_writes)),
        )?,
        spawn(
            "raft-log-read",
            Box::new(move || read_all(&reader, &queued_reads)),
        )?,
    ];
    Ok((Queues::Threads { writes, reads }, threads))
}

/// The engine keeps the last block that a thread has read in memory: so one thread reads.
///
/// It finds that block by the number of its file and its place there, which it may share with a block of
/// another engine: a thread that reads for one engine must never read for another.
fn read_all(engine: &Engine<Files>, queue: &mpsc::Receiver<Read>) {
    while let Ok(read) = queue.recv() {
        // Nobody waits any more: nothing to tell.
        let _ = read.answer.send(read_from(engine, read.wanted));
    }
}

fn read_from(engine: &Engine<Files>, wanted: Wanted) -> Result<Vec<Bytes>, String> {
    let Wanted {
        group,
        first,
        end,
        limit,
    } = wanted;
    let mut records = Vec::new();
    let fetched = catch_unwind(AssertUnwindSafe(|| {
        engine.fetch_entries_to::<Record>(group, first, end, Some(limit), &mut records)
    }));
    match fetched {
        Ok(Ok(_count)) => Ok(records.into_iter().map(LoggedEntry::into_bytes).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic_message(panic.as_ref())),
    }
}

/// What reads where no reading thread does: a thread that may have read for another engine would hand its
/// block out as this one's. Waits for the thread.
fn on_new_thread<T: Send>(read: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("raft-log-read".to_owned())
            .spawn_scoped(scope, read)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        thread.join().map_err(|panic| panic_message(panic.as_ref()))
    })
}

pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::EncodedEntry;
    use crate::workers::Pace;

    struct AtOnce;

    impl Pace for AtOnce {
        fn pause(&self, _work: &str) -> Duration {
            Duration::ZERO
        }
    }

    // Both blocks lie at the same place of the first file and are equally long.
    #[tokio::test]
    async fn engines_that_one_thread_reads_from_do_not_get_each_others_entries() {
        const GROUP: u64 = 2;
        const FIRST: u64 = 1;
        let directory = tempfile::tempdir().unwrap();
        let mut engines = Vec::new();
        for content in [b"one", b"two"] {
            let path = directory.path().join(format!("{content:?}"));
            let workers = Workers::InTurn(Arc::new(AtOnce));
            let engine = LogEngine::open_with(&path, Files::default(), workers).unwrap();
            let mut head = FIRST.to_le_bytes().to_vec();
            head.extend_from_slice(content);
            let entry = EncodedEntry {
                head: head.clone(),
                rest: Vec::new(),
            };
            let append = vec![Change::Append(vec![entry])];
            engine.write_and_wait(GROUP, append).await.unwrap();
            engines.push((engine, head));
        }
        for (engine, written) in &engines {
            let read = engine.read(GROUP, FIRST, FIRST + 1, usize::MAX).await;
            assert_eq!(read, Ok(vec![Bytes::from(written.clone())]));
        }
    }
}
