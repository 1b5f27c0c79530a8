//! The engine.

use std::path::Path;

use crate::ClusterError;

/// The log of every raft group of this node: one append-only log on disk, written by one thread
/// that puts everything queued into one batch and one fsync.
#[derive(Clone)]
pub struct LogEngine;

impl LogEngine {
    /// Opens or creates the log in `directory`.
    pub fn open(directory: &Path) -> Result<Self, ClusterError> {
        let _ = directory;
        unimplemented!()
    }

    /// Bytes of the log's files.
    pub fn disk_bytes(&self) -> u64 {
        unimplemented!()
    }
}
