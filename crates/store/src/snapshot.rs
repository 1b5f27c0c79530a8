//! The last checkpoint, as files to send.

use crate::{
    StoreError,
    error::While,
    file_name::{FileKind, FileName},
    manifest::Manifest,
    segment::SealedSegment,
};
use bytes::Bytes;
use std::{fs::File, os::unix::fs::FileExt, path::Path, sync::Arc};

/// A checkpoint on disk, pinned: its files stay readable while this lives.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    mark: Option<Bytes>,
    manifest: Bytes,
    files: Vec<SnapshotFile>,
    segments: Vec<Arc<SealedSegment>>,
}

impl Checkpoint {
    /// `segments` are those of the manifest, in its order.
    pub(crate) fn new<'a>(
        manifest: &Manifest,
        segments: impl Iterator<Item = &'a Arc<SealedSegment>>,
    ) -> Self {
        let segments: Vec<Arc<SealedSegment>> = segments.cloned().collect();
        let files = segments.iter().flat_map(|segment| {
            let entry = *segment.entry();
            FileKind::ALL.map(|kind| {
                let number = entry.number;
                (FileName { number, kind }, entry.file_len(kind))
            })
        });
        let files = files.map(|(name, len)| SnapshotFile {
            name: name.to_string(),
            len,
        });
        Self {
            mark: manifest.mark.clone(),
            manifest: manifest.encode(),
            files: files.collect(),
            segments,
        }
    }

    pub(crate) fn mark(&self) -> Option<&Bytes> {
        self.mark.as_ref()
    }

    /// Number of segments.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.manifest.len() as u64 + self.files.iter().map(|file| file.len).sum::<u64>()
    }

    /// The open file at this position of `files`.
    fn file(&self, index: usize) -> Option<(&File, &Path)> {
        let kinds = FileKind::ALL;
        let segment = self.segments.get(index / kinds.len())?;
        Some(segment.file(kinds[index % kinds.len()]))
    }
}

/// The last checkpoint of a shard, as files to send to another replica. Its files stay readable
/// while this lives, also when later checkpoints and compaction replace them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    checkpoint: Arc<Checkpoint>,
    mark: Bytes,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name, without a directory.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

impl Snapshot {
    /// The snapshot of a checkpoint; none of the empty state before the first one.
    pub(crate) fn new(checkpoint: Arc<Checkpoint>) -> Option<Self> {
        let mark = checkpoint.mark.clone()?;
        Some(Self { checkpoint, mark })
    }

    /// What the owner said about the checkpoint.
    #[must_use]
    pub fn mark(&self) -> Bytes {
        self.mark.clone()
    }

    /// The manifest, to be sent beside the files.
    #[must_use]
    pub fn manifest(&self) -> Bytes {
        self.checkpoint.manifest.clone()
    }

    /// The files to send.
    #[must_use]
    pub fn files(&self) -> &[SnapshotFile] {
        &self.checkpoint.files
    }

    /// Fills `buffer` with the bytes of a file from `offset` on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if they cannot be read, or the file ends before;
    /// [`StoreError::BadSnapshot`] if there is no such file.
    pub fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let Some((file, path)) = self.checkpoint.file(file) else {
            let files = self.files().len();
            return Err(StoreError::BadSnapshot {
                detail: format!("it has {files} files, so none with index {file}"),
            });
        };
        file.read_exact_at(buffer, offset).or_while("read", path)
    }
}
