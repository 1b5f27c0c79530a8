//! The directory of one shard: what is in it, and how it changes durably.

use crate::{
    StepObserver, StoreError,
    error::While,
    file_name::{FileKind, FileName},
    segment::SegmentEntry,
};
use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

const MANIFEST: &str = "manifest";
const MANIFEST_TEMPORARY: &str = "manifest.tmp";
const LOCK: &str = "lock";
const INCOMING_PREFIX: &str = "incoming-";

/// The directory of one shard, or one that a snapshot is received into.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    observer: StepObserver,
    /// Held as long as any copy of this lives: one shard at a time works on a directory.
    _lock: Arc<File>,
}

impl Directory {
    /// Opens the directory, made if need be, and locks it.
    pub(crate) fn open(path: &Path, observer: StepObserver) -> Result<Self, StoreError> {
        create_durably(path)?;
        let lock_path = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .or_while("open", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    directory: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(source).or_while("lock", &lock_path),
        }
        Ok(Self {
            path: path.to_path_buf(),
            observer,
            _lock: Arc::new(lock),
        })
    }

    /// A fresh directory inside this one, to receive a snapshot into.
    pub(crate) fn create_incoming(&self, serial: u64) -> Result<Self, StoreError> {
        let path = self.path.join(format!("{INCOMING_PREFIX}{serial}"));
        fs::create_dir(&path).or_while("create", &path)?;
        self.observer.step("incoming directory created");
        Ok(Self {
            path,
            ..self.clone()
        })
    }

    pub(crate) fn path_of(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    /// Names the step just taken to whoever observes.
    pub(crate) fn step(&self, name: &'static str) {
        self.observer.step(name);
    }

    /// Creates a file that must not exist.
    pub(crate) fn create(&self, name: FileName) -> Result<(File, PathBuf), StoreError> {
        let path = self.path_of(name);
        let file = File::create_new(&path).or_while("create", &path)?;
        Ok((file, path))
    }

    /// Makes new, renamed and removed names durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.path)?;
        self.observer.step("directory synced");
        Ok(())
    }

    /// The bytes of the manifest; none if there is none.
    pub(crate) fn read_manifest(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.manifest_path();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).or_while("read", &path),
        }
    }

    /// Writes the next manifest beside the present one. An error has changed nothing.
    pub(crate) fn stage_manifest(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.path.join(MANIFEST_TEMPORARY);
        let mut file = File::create(&temporary).or_while("create", &temporary)?;
        file.write_all(bytes).or_while("write", &temporary)?;
        self.observer.step("next manifest written");
        file.sync_all().or_while("sync", &temporary)
    }

    /// Puts the staged manifest in place of the present one: after a crash at any moment it is the
    /// one or the other. After an error it can be either, so that the files of both must stay.
    pub(crate) fn commit_manifest(&self) -> Result<(), StoreError> {
        let temporary = self.path.join(MANIFEST_TEMPORARY);
        fs::rename(&temporary, self.manifest_path()).or_while("rename", &temporary)?;
        self.observer.step("manifest replaced");
        self.sync()
    }

    /// Whether files of segments exist.
    pub(crate) fn has_segments(&self) -> Result<bool, StoreError> {
        Ok(self
            .names()?
            .iter()
            .any(|name| FileName::parse(name).is_some()))
    }

    /// Removes the files of a segment. They are out of use already: what cannot be removed now
    /// is removed when the directory is opened the next time.
    pub(crate) fn remove_segment(&self, number: u64) {
        for kind in FileKind::ALL {
            remove_if_there(&self.path_of(FileName { number, kind }), |path| {
                fs::remove_file(path)
            });
        }
        self.observer.step("segment removed");
    }

    /// Removes this directory and everything in it.
    pub(crate) fn remove_all(&self) {
        remove_if_there(&self.path, |path| fs::remove_dir_all(path));
    }

    /// Removes what an interrupted step left behind. Files that are not the store's stay.
    pub(crate) fn remove_leftovers(&self, in_use: &[SegmentEntry]) -> Result<(), StoreError> {
        let in_use: HashSet<u64> = in_use.iter().map(|entry| entry.number).collect();
        for name in self.names()? {
            let path = self.path.join(&name);
            let is_unused =
                FileName::parse(&name).is_some_and(|name| !in_use.contains(&name.number));
            if is_unused || name == MANIFEST_TEMPORARY {
                fs::remove_file(&path).or_while("remove", &path)?;
            } else if name.starts_with(INCOMING_PREFIX) {
                fs::remove_dir_all(&path).or_while("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Moves the files of a segment here, under a new number.
    pub(crate) fn take_segment(
        &self,
        from: &Self,
        number_there: u64,
        number: u64,
    ) -> Result<(), StoreError> {
        for kind in FileKind::ALL {
            let source = from.path_of(FileName {
                number: number_there,
                kind,
            });
            let target = self.path_of(FileName { number, kind });
            fs::rename(&source, &target).or_while("move a received file to", &target)?;
            self.observer.step("received file renamed");
        }
        Ok(())
    }

    /// Gives the files of another directory's segment a name here as well; copies them where the
    /// file system cannot do that. [`Self::sync`] makes the names durable.
    pub(crate) fn link_segment(
        &self,
        from: &Self,
        number_there: u64,
        number: u64,
    ) -> Result<(), StoreError> {
        for kind in FileKind::ALL {
            let source = from.path_of(FileName {
                number: number_there,
                kind,
            });
            let target = self.path_of(FileName { number, kind });
            if fs::hard_link(&source, &target).is_err() {
                fs::copy(&source, &target).or_while("copy a segment to", &target)?;
                let copy = File::open(&target).or_while("open", &target)?;
                copy.sync_all().or_while("sync", &target)?;
            }
            self.observer.step("segment linked");
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.path).or_while("list", &self.path)?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.or_while("list", &self.path)?;
            // A name that is not UTF-8 is not one of the store's.
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }
}

fn remove_if_there(path: &Path, remove: impl Fn(&Path) -> std::io::Result<()>) {
    match remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "an unused file could not be removed");
        }
        _ => {}
    }
}

/// Removes a directory and everything in it, if it is there.
pub(crate) fn remove_directory(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).or_while("remove", path),
        _ => Ok(()),
    }
}

/// Gives a directory another name beside it, durable when it returns.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).or_while("rename", from)?;
    let above = to.parent().filter(|above| !above.as_os_str().is_empty());
    sync_directory(above.unwrap_or(Path::new(".")))
}

/// Makes a directory and those above it, each name durable.
fn create_durably(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        create_durably(above)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).or_while("create", path);
        }
        _ => {}
    }
    sync_directory(above.unwrap_or(Path::new(".")))
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).or_while("open", path)?;
    directory.sync_all().or_while("sync", path)
}
