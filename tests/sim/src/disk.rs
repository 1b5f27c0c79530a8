//! A node's disk: what was not synced is lost when the power goes, and it may be slow.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use vectra_cluster::{LogDisk, LogFile, Pace};

/// How much longer everything takes on a slow disk.
const SLOW: u32 = 40;

/// The disk of one node, as long as its power is on. Clones share it.
///
/// The files of the raft log lie in a directory of this machine, as far as they are synced; what was only
/// written lies in memory. Segments and manifests go to that directory at once: that they are synced in
/// the right order is for the tests of `crates/store` to show.
#[derive(Clone)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

struct State {
    random: SmallRng,
    is_on: bool,
    is_slow: bool,
    files: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
}

/// What a file holds, synced or not.
#[derive(Default)]
struct Contents {
    bytes: Vec<u8>,
    /// Changed since the last sync: from the first of these bytes on, or cut off there.
    changed_from: Option<usize>,
}

impl Disk {
    /// A disk that is on, with chance of its own for how long things take.
    pub(crate) fn new(random: SmallRng) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                random,
                is_on: true,
                is_slow: false,
                files: BTreeMap::new(),
            })),
        }
    }

    /// From here on nothing reaches the disk. Of what was not synced, as much is left as chance has it: a
    /// beginning, or nothing.
    ///
    /// # Errors
    ///
    /// That the files cannot be written on the machine that simulates.
    pub(crate) fn cut_power(&self) -> io::Result<()> {
        let mut state = self.state();
        state.is_on = false;
        for (path, contents) in std::mem::take(&mut state.files) {
            let contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(from) = contents.changed_from else {
                continue;
            };
            let unsynced = &contents.bytes[from..];
            let left = state.random.random_range(0..=unsynced.len());
            if left > 0 && state.random.random_bool(0.5) {
                let file = File::options().write(true).open(&path)?;
                file.write_all_at(&unsynced[..left], from as u64)?;
            }
        }
        Ok(())
    }

    /// On again, with what was synced.
    pub(crate) fn restore_power(&self) {
        self.state().is_on = true;
    }

    pub(crate) fn set_slow(&self, is_slow: bool) {
        self.state().is_slow = is_slow;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path, contents: Arc<Mutex<Contents>>) -> Arc<dyn LogFile> {
        Arc::new(OpenFile {
            disk: self.clone(),
            path: path.to_owned(),
            contents,
        })
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        if self.is_on {
            return Ok(());
        }
        Err(io::Error::other("the power is off"))
    }
}

impl Pace for Disk {
    fn pause(&self, work: &str) -> Duration {
        let mut state = self.state();
        let most = match work {
            "log" => 3,
            "seal" | "compact" | "install" => 30,
            "open" | "receive" | "read" | "remove" | "reclaim" => 10,
            _ => 1,
        };
        let millis = state.random.random_range(0..=most);
        let times = if state.is_slow && work != "apply" {
            state.random.random_range(1..=SLOW)
        } else {
            1
        };
        Duration::from_millis(millis) * times
    }
}

impl LogDisk for Disk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.state().check_power()?;
        if !path.exists() {
            File::create(path)?;
        }
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let mut state = self.state();
        state.check_power()?;
        let contents = match state.files.get(path) {
            Some(contents) => contents.clone(),
            None => {
                let contents = Contents {
                    bytes: fs::read(path)?,
                    changed_from: None,
                };
                let contents = Arc::new(Mutex::new(contents));
                state.files.insert(path.to_owned(), contents.clone());
                contents
            }
        };
        drop(state);
        Ok(self.file(path, contents))
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        state.files.remove(path);
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        if let Some(contents) = state.files.remove(from) {
            state.files.insert(to.to_owned(), contents);
        }
        fs::rename(from, to)
    }
}

struct OpenFile {
    disk: Disk,
    path: PathBuf,
    contents: Arc<Mutex<Contents>>,
}

impl OpenFile {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogFile for OpenFile {
    fn read(&self, offset: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let contents = self.contents();
        let rest = contents.bytes.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    // What a machine does to an open file while it goes down has no effect, and nobody to hear of it: the
    // engine closes its files when it is dropped.
    fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut contents = self.contents();
        let end = offset + bytes.len();
        let changed = offset.min(contents.bytes.len());
        if contents.bytes.len() < end {
            contents.bytes.resize(end, 0);
        }
        contents.bytes[offset..end].copy_from_slice(bytes);
        contents.note_change(changed);
        Ok(bytes.len())
    }

    fn truncate(&self, length: usize) -> io::Result<()> {
        let mut contents = self.contents();
        let changed = length.min(contents.bytes.len());
        contents.bytes.resize(length, 0);
        contents.note_change(changed);
        Ok(())
    }

    fn length(&self) -> io::Result<usize> {
        Ok(self.contents().bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        if !self.disk.state().is_on {
            return Ok(());
        }
        let mut contents = self.contents();
        let Some(from) = contents.changed_from.take() else {
            return Ok(());
        };
        let file = File::options().write(true).open(&self.path)?;
        file.write_all_at(&contents.bytes[from..], from as u64)?;
        file.set_len(contents.bytes.len() as u64)
    }
}

impl Contents {
    fn note_change(&mut self, from: usize) {
        let before = self.changed_from.unwrap_or(usize::MAX);
        self.changed_from = Some(before.min(from));
    }
}
