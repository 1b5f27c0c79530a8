//! Signatures.
#![allow(missing_docs, unused_variables)]
use crate::StoreError;
use bytes::Bytes;
use std::{path::Path, sync::Arc};

pub enum WriteBatch {
    Upsert {
        ids: Vec<String>,
        dimension: u32,
        vectors: Vec<f32>,
    },
    Delete {
        ids: Vec<String>,
    },
}
impl WriteBatch {
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }
}
/// Not exhaustive for building: `StoreOptions { seal_bytes, ..StoreOptions::default() }`.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    pub seal_bytes: u64,
    pub segment_bytes: u64,
}
impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            seal_bytes: 16 << 20,
            segment_bytes: 64 << 20,
        }
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub existed: u64,
}
#[derive(Debug)]
pub struct Shard {}
impl Shard {
    pub fn open(
        directory: &Path,
        dimension: usize,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        unimplemented!()
    }
    pub fn dimension(&self) -> usize {
        unimplemented!()
    }
    pub fn options(&self) -> &StoreOptions {
        unimplemented!()
    }
    pub fn mark(&self) -> Option<Bytes> {
        unimplemented!()
    }
    pub fn apply(&self, batch: &[u8]) -> Result<Applied, StoreError> {
        unimplemented!()
    }
    pub fn view(&self) -> Arc<ShardView> {
        unimplemented!()
    }
    /// Float bytes of all rows that are in no sealed segment yet, frozen ones included.
    pub fn growing_bytes(&self) -> u64 {
        unimplemented!()
    }
    pub fn memory_bytes(&self) -> u64 {
        unimplemented!()
    }
    pub fn disk_bytes(&self) -> u64 {
        unimplemented!()
    }
    pub fn freeze(&self, mark: Bytes) -> Frozen {
        unimplemented!()
    }
    pub fn seal(&self, frozen: Frozen) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        unimplemented!()
    }
    pub fn receive(&self) -> Result<SnapshotReceiver, StoreError> {
        unimplemented!()
    }
    pub fn install(&self, received: ReceivedSnapshot) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn compact(&self) -> Result<bool, StoreError> {
        unimplemented!()
    }
}
#[derive(Debug)]
pub struct ShardView {}
impl ShardView {
    pub fn parts(&self) -> &[Part] {
        unimplemented!()
    }
    pub fn live_rows(&self) -> u64 {
        unimplemented!()
    }
    pub fn dimension(&self) -> usize {
        unimplemented!()
    }
    pub fn find(&self, id: &str) -> Result<Option<Vec<f32>>, StoreError> {
        unimplemented!()
    }
    pub fn contains(&self, id: &str) -> Result<bool, StoreError> {
        unimplemented!()
    }
}
#[derive(Debug)]
pub struct Part {}
impl Part {
    pub fn rows(&self) -> u32 {
        unimplemented!()
    }
    pub fn live_rows(&self) -> u32 {
        unimplemented!()
    }
    pub fn codes(&self) -> vectra_kernel::Codes<'_> {
        unimplemented!()
    }
    pub fn is_live(&self, row: u32) -> bool {
        unimplemented!()
    }
    pub fn id(&self, row: u32) -> Result<&str, StoreError> {
        unimplemented!()
    }
    /// Replaces the content of `into` by the row's values.
    pub fn read_vector(&self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        unimplemented!()
    }
}
#[derive(Debug)]
pub struct Frozen {}
impl Frozen {
    pub fn mark(&self) -> &Bytes {
        unimplemented!()
    }
}
#[derive(Debug, Clone)]
pub struct Snapshot {}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    pub name: String,
    pub len: u64,
}
impl Snapshot {
    pub fn mark(&self) -> Bytes {
        unimplemented!()
    }
    pub fn manifest(&self) -> Bytes {
        unimplemented!()
    }
    pub fn files(&self) -> &[SnapshotFile] {
        unimplemented!()
    }
    /// Reads exactly `buffer.len()` bytes.
    pub fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        unimplemented!()
    }
}
/// Dropped before `finish`: what was received is removed.
#[derive(Debug)]
pub struct SnapshotReceiver {}
impl SnapshotReceiver {
    /// Starts a file; the one before must be complete.
    pub fn begin_file(&mut self, name: &str, len: u64) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn finish(self, manifest: &[u8]) -> Result<ReceivedSnapshot, StoreError> {
        unimplemented!()
    }
}
/// Dropped before `install`: what was received is removed.
#[derive(Debug)]
pub struct ReceivedSnapshot {}
impl ReceivedSnapshot {
    pub fn mark(&self) -> Bytes {
        unimplemented!()
    }
}
