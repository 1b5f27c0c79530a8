//! A directory for the processes of one scenario.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::binary::target_directory;

/// A directory that lives as long as the processes in it.
#[derive(Clone, Debug)]
pub struct Home(Arc<TempDir>);

impl Home {
    /// A fresh directory on the disk that holds the build: a real one, where fsync means something.
    pub fn fresh() -> Self {
        let parent = target_directory().join("tmp");
        fs::create_dir_all(&parent).expect("the build directory is writable");
        let directory = tempfile::Builder::new()
            .prefix("vectra-")
            .tempdir_in(parent);
        Self(Arc::new(directory.expect("a directory of its own")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
