//! Why the store could not do what it was asked.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

/// Everything that can go wrong with one shard's bytes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", file.display())]
    Io {
        /// What was tried: `open`, `read`, `sync`.
        doing: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file does not hold what was written to it.
    #[error("{} is damaged: expected {expected}, found {got}; restore it from another replica", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A file was written by a newer Vectra.
    #[error(
        "{} has format version {got}, this program reads up to version {supported}: \
         start the newer program that wrote it", file.display()
    )]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// The newest version that this program reads.
        supported: u32,
        /// The version of the file.
        got: u32,
    },
    /// The number of dimensions is not that of this shard.
    #[error("vectors of this shard have {expected} dimensions, not {got}")]
    WrongDimension {
        /// Dimensions of the shard.
        expected: usize,
        /// Dimensions of the batch, the directory or the snapshot.
        got: usize,
    },
    /// A batch of writes that cannot be applied. Nothing was changed.
    #[error("the batch of writes cannot be applied: {detail}")]
    BadBatch {
        /// What is wrong with it.
        detail: String,
    },
    /// A batch with an id that the shard's owner does not admit. Nothing was changed.
    #[error("the id {id:?} does not belong to this shard")]
    NotAdmitted {
        /// The id.
        id: String,
    },
    /// A snapshot that cannot be received. Nothing was changed.
    #[error("the snapshot cannot be received: {detail}")]
    BadSnapshot {
        /// What is wrong with it.
        detail: String,
    },
    /// A frozen state that was overtaken: another one was sealed, or a snapshot was installed,
    /// since it was captured. Nothing was changed; freeze again.
    #[error("this frozen state was overtaken by a later checkpoint: freeze again")]
    Overtaken,
    /// Another `Shard`, of this process or another, works on the directory.
    #[error("{} is in use by another process or another open shard", directory.display())]
    InUse {
        /// The directory of the shard.
        directory: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn damaged(file: &Path, expected: impl Display, got: impl Display) -> Self {
        Self::Damaged {
            file: file.to_path_buf(),
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }
}

/// Adds to an `io::Error` what was tried, and on which file.
pub(crate) trait While<T> {
    fn or_while(self, doing: &'static str, file: &Path) -> Result<T, StoreError>;
}

impl<T> While<T> for io::Result<T> {
    fn or_while(self, doing: &'static str, file: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io {
            doing,
            file: file.to_path_buf(),
            source,
        })
    }
}
