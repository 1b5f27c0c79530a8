//! Receives the snapshot of another replica into a directory of its own.

use crate::{
    StoreError,
    directory::Directory,
    error::While,
    file_name::{FileKind, FileName},
    manifest::Manifest,
    segment::SegmentEntry,
};
use bytes::Bytes;
use std::{collections::BTreeMap, fs::File, io::Write, path::PathBuf};

/// Receives a snapshot, file by file. Dropped before [`SnapshotReceiver::finish`], it removes what
/// it received.
#[derive(Debug)]
pub struct SnapshotReceiver {
    incoming: Incoming,
    dimension: usize,
    current: Option<CurrentFile>,
    /// Length and crc32 of each file received whole.
    complete: BTreeMap<FileName, (u64, u32)>,
}

/// A snapshot received whole and found sound, to be given to [`Shard::install`]. Dropped instead,
/// it is removed.
///
/// [`Shard::install`]: crate::Shard::install
#[derive(Debug)]
pub struct ReceivedSnapshot {
    pub(crate) incoming: Incoming,
    pub(crate) manifest: Manifest,
    mark: Bytes,
}

/// A directory that is removed with its owner.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) directory: Directory,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.directory.remove_all();
    }
}

#[derive(Debug)]
struct CurrentFile {
    name: FileName,
    path: PathBuf,
    file: File,
    missing: u64,
    len: u64,
    crc: crc32fast::Hasher,
}

impl SnapshotReceiver {
    pub(crate) fn new(directory: Directory, dimension: usize) -> Self {
        let incoming = Incoming { directory };
        Self {
            incoming,
            dimension,
            current: None,
            complete: BTreeMap::new(),
        }
    }

    /// Starts the next file, of `len` bytes. The one before must be complete. A file that was
    /// started already and of which nothing has come yet may be started again.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadSnapshot`] if `name` is not that of a segment's file, came before, or the
    /// file before lacks bytes; [`StoreError::Io`] if the disk refuses.
    pub fn begin_file(&mut self, name: &str, len: u64) -> Result<(), StoreError> {
        let started = self
            .current
            .as_ref()
            .filter(|file| file.missing == file.len);
        if started.is_some_and(|file| file.len == len && file.name.to_string() == name) {
            return Ok(());
        }
        self.complete_current()?;
        let Some(name) = FileName::parse(name) else {
            let name: String = name.chars().take(100).collect();
            return Err(bad_snapshot(format!(
                "{name:?} is not the name of a segment's file"
            )));
        };
        if self.complete.contains_key(&name) {
            return Err(bad_snapshot(format!("{name} came twice")));
        }
        let (file, path) = self.incoming.directory.create(name)?;
        let crc = crc32fast::Hasher::new();
        self.current = Some(CurrentFile {
            name,
            path,
            file,
            missing: len,
            len,
            crc,
        });
        Ok(())
    }

    /// Appends bytes to the file begun last.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadSnapshot`] if there is none, or they are more than its length;
    /// [`StoreError::Io`] if the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else {
            return Err(bad_snapshot("bytes came before the name of their file"));
        };
        let Some(missing) = current.missing.checked_sub(bytes.len() as u64) else {
            let CurrentFile { name, len, .. } = current;
            return Err(bad_snapshot(format!(
                "{name} is longer than its {len} bytes"
            )));
        };
        current
            .file
            .write_all(bytes)
            .or_while("write", &current.path)?;
        current.crc.update(bytes);
        current.missing = missing;
        Ok(())
    }

    /// How many files are whole, and how many bytes of the next one have come: where to go on with
    /// the same snapshot if it was interrupted.
    #[must_use]
    pub fn position(&self) -> (usize, u64) {
        let complete = self.complete.len();
        match &self.current {
            Some(current) if current.missing == 0 => (complete + 1, 0),
            Some(current) => (complete, current.len - current.missing),
            None => (complete, 0),
        }
    }

    /// Checks that the files received are exactly those of the manifest, to the checksum.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadSnapshot`] or [`StoreError::Damaged`] says what does not fit;
    /// [`StoreError::WrongDimension`] and [`StoreError::NewerVersion`] what the shard cannot take.
    pub fn finish(mut self, manifest: &[u8]) -> Result<ReceivedSnapshot, StoreError> {
        self.complete_current()?;
        let manifest = Manifest::decode(manifest, &self.incoming.directory.manifest_path())?;
        let got = manifest.dimension as usize;
        if got != self.dimension {
            return Err(StoreError::WrongDimension {
                expected: self.dimension,
                got,
            });
        }
        let Some(mark) = manifest.mark.clone() else {
            return Err(bad_snapshot("its manifest has no mark"));
        };
        for (entry, _) in &manifest.segments {
            self.check_files(entry)?;
        }
        if let Some((extra, _)) = self.complete.first_key_value() {
            return Err(bad_snapshot(format!("{extra} is not in its manifest")));
        }
        self.incoming.directory.sync()?;
        Ok(ReceivedSnapshot {
            incoming: self.incoming,
            manifest,
            mark,
        })
    }

    fn check_files(&mut self, entry: &SegmentEntry) -> Result<(), StoreError> {
        for kind in FileKind::ALL {
            let name = FileName {
                number: entry.number,
                kind,
            };
            let (len, crc) = (entry.file_len(kind), entry.file_crc(kind));
            let Some((got_len, got_crc)) = self.complete.remove(&name) else {
                return Err(bad_snapshot(format!(
                    "{name} is in its manifest, but did not come"
                )));
            };
            if (got_len, got_crc) != (len, crc) {
                return Err(bad_snapshot(format!(
                    "{name} should have {len} bytes with crc32 {crc:08x}, \
                     but came with {got_len} and {got_crc:08x}"
                )));
            }
        }
        Ok(())
    }

    /// Syncs the file begun last.
    fn complete_current(&mut self) -> Result<(), StoreError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        if current.missing > 0 {
            let CurrentFile {
                name, missing, len, ..
            } = current;
            return Err(bad_snapshot(format!(
                "{name} lacks {missing} of its {len} bytes"
            )));
        }
        current.file.sync_all().or_while("sync", &current.path)?;
        self.complete
            .insert(current.name, (current.len, current.crc.finalize()));
        Ok(())
    }
}

impl ReceivedSnapshot {
    /// What the owner of the sending replica said about the checkpoint.
    #[must_use]
    pub fn mark(&self) -> Bytes {
        self.mark.clone()
    }
}

fn bad_snapshot(detail: impl Into<String>) -> StoreError {
    StoreError::BadSnapshot {
        detail: detail.into(),
    }
}
