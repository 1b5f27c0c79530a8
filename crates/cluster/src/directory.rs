//! Directories that are there after a power loss.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::ShardId;

/// Creates a directory and what is missing above it, on stable storage when it returns.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_directory(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// The directory of one shard's replica, within that of all shards of a node.
pub(crate) fn shard_directory(shards: &Path, shard: ShardId) -> PathBuf {
    shards.join(format!("shard-{shard}"))
}
