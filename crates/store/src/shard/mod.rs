//! One replica of a shard.

mod checkpoint;
mod compaction;
mod division;
mod transfer;

pub use checkpoint::Frozen;
pub use division::Division;

use crate::{
    ShardView, StoreError, StoreOptions,
    batch::{ArchivedWriteBatch, EncodedBatch},
    directory::Directory,
    growing::GrowingRows,
    ids::Ids,
    manifest::Manifest,
    numbers::SegmentNumbers,
    segment::SealedSegment,
    snapshot::Checkpoint,
    state::{SealedPart, State},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use rkyv::{rend::f32_le, string::ArchivedString};
use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use vectra_kernel::MAX_DIMENSION;

/// One replica of a shard: its bytes in one directory, which it locks.
///
/// Locks are taken in the order of the fields below; none is held while a search runs.
#[derive(Debug)]
pub struct Shard {
    directory: Directory,
    dimension: usize,
    options: StoreOptions,
    /// Held by whatever replaces the manifest: sealing, compaction, installation.
    maintenance: Mutex<Maintenance>,
    /// Held by whatever changes rows, for as long as that takes in memory.
    state: Mutex<State>,
    view: ArcSwap<ShardView>,
    checkpoint: ArcSwap<Checkpoint>,
}

/// What only the holder of the maintenance lock knows and changes.
#[derive(Debug)]
struct Maintenance {
    /// The manifest on disk.
    manifest: Manifest,
    numbers: SegmentNumbers,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// How many distinct ids of the batch existed before it.
    pub existed: u64,
}

impl Shard {
    /// Opens the shard in `directory`, or creates an empty one where there is nothing. Verifies
    /// the manifest and every `.segment` and `.ids` file; rows of `.vectors` files are verified as they are
    /// read. Removes what an interrupted step left behind.
    ///
    /// # Errors
    ///
    /// It never starts empty over existing state: [`StoreError::Damaged`] names the file, and what
    /// is wrong with it; [`StoreError::NewerVersion`] one that a newer program wrote;
    /// [`StoreError::WrongDimension`] if the shard has another dimension, or this one is outside
    /// 1…[`MAX_DIMENSION`]; [`StoreError::InUse`] if the directory is open already.
    pub fn open(
        directory: &Path,
        dimension: usize,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(StoreError::WrongDimension {
                expected: MAX_DIMENSION,
                got: dimension,
            });
        }
        let directory = Directory::open(directory, options.observer.clone())?;
        let manifest = read_or_create_manifest(&directory, dimension)?;
        let mut sealed = Vec::with_capacity(manifest.segments.len());
        for (entry, dead) in &manifest.segments {
            let segment = Arc::new(SealedSegment::open(&directory, *entry, dimension)?);
            sealed.push(SealedPart {
                segment,
                dead: dead.clone(),
            });
        }
        let in_use: Vec<_> = manifest.segments.iter().map(|(entry, _)| *entry).collect();
        directory.remove_leftovers(&in_use)?;

        let checkpoint = Checkpoint::new(&manifest, sealed.iter().map(|part| &part.segment));
        let state = State::new(dimension, sealed);
        Ok(Self {
            directory,
            dimension,
            options,
            view: ArcSwap::from_pointee(state.view()),
            checkpoint: ArcSwap::from_pointee(checkpoint),
            maintenance: Mutex::new(Maintenance {
                numbers: SegmentNumbers::starting_at(manifest.next_number),
                manifest,
            }),
            state: Mutex::new(state),
        })
    }

    /// Values per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The options it was opened with.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// What the owner said about the last checkpoint; none before the first.
    #[must_use]
    pub fn mark(&self) -> Option<Bytes> {
        self.checkpoint.load().mark().cloned()
    }

    /// Applies an encoded [`WriteBatch`](crate::WriteBatch) in memory; of the disk it only reads
    /// where the ids of the batch are. When it
    /// returns, [`Shard::view`] shows all of the batch; before, nothing of it. The same batches in
    /// the same order give the same rows everywhere.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadBatch`] or [`StoreError::WrongDimension`], the same on every replica;
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if this one cannot read its ids. Nothing was
    /// changed.
    pub fn apply(&self, batch: &[u8]) -> Result<Applied, StoreError> {
        self.apply_where(batch, |_| true)
    }

    /// The same, for a batch all of whose ids are `admitted`.
    ///
    /// # Errors
    ///
    /// Those of [`Shard::apply`]; [`StoreError::NotAdmitted`] names the first id that is not.
    pub fn apply_where(
        &self,
        batch: &[u8],
        admitted: impl Fn(&str) -> bool,
    ) -> Result<Applied, StoreError> {
        let encoded = EncodedBatch::new(batch)?;
        let batch = encoded.check(self.dimension)?;
        let (ArchivedWriteBatch::Upsert { ids, .. } | ArchivedWriteBatch::Delete { ids }) = batch;
        if let Some(id) = ids.iter().find(|id| !admitted(id.as_str())) {
            let id = id.as_str().to_owned();
            return Err(StoreError::NotAdmitted { id });
        }
        let existed = match batch {
            ArchivedWriteBatch::Upsert { ids, vectors, .. } => {
                if ids.is_empty() {
                    return Ok(Applied { existed: 0 });
                }
                let rows = last_versions(self.dimension, ids, vectors);
                let mut state = self.state();
                let existed = state.upsert(rows)?;
                self.publish(&state);
                existed
            }
            ArchivedWriteBatch::Delete { ids } => {
                let mut state = self.state();
                let existed = state.delete(ids.iter().map(ArchivedString::as_str))?;
                if existed > 0 {
                    self.publish(&state);
                }
                existed
            }
        };
        Ok(Applied { existed })
    }

    /// The state as of the last batch applied: consistent, immutable, cheap to get.
    #[must_use]
    pub fn view(&self) -> Arc<ShardView> {
        self.view.load_full()
    }

    /// Bytes of the float32 rows that are in memory only, dead and frozen ones included. A
    /// checkpoint is called for when they pass [`StoreOptions::seal_bytes`].
    #[must_use]
    pub fn growing_bytes(&self) -> u64 {
        self.view.load().growing_bytes()
    }

    /// Bytes of memory that the shard needs: growing rows, and the codes of sealed ones.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.view.load().memory_bytes()
    }

    /// Number of sealed segments of the last checkpoint.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.checkpoint.load().segments()
    }

    /// Bytes of the files of the last checkpoint.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.checkpoint.load().disk_bytes()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maintenance(&self) -> MutexGuard<'_, Maintenance> {
        self.maintenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the state what searches see.
    fn publish(&self, state: &State) {
        self.view.store(Arc::new(state.view()));
    }
}

fn read_or_create_manifest(
    directory: &Directory,
    dimension: usize,
) -> Result<Manifest, StoreError> {
    let path = directory.manifest_path();
    if let Some(bytes) = directory.read_manifest()? {
        let manifest = Manifest::decode(&bytes, &path)?;
        let got = manifest.dimension as usize;
        if got != dimension {
            return Err(StoreError::WrongDimension {
                expected: dimension,
                got,
            });
        }
        return Ok(manifest);
    }
    // A manifest is the first file that a shard writes: where there are segments, it was lost.
    if directory.has_segments()? {
        return Err(StoreError::damaged(
            &path,
            "the manifest of these segments",
            "no such file",
        ));
    }
    let manifest = Manifest {
        dimension: dimension as u32,
        next_number: 1,
        mark: None,
        segments: Vec::new(),
    };
    directory.stage_manifest(&manifest.encode())?;
    directory.commit_manifest()?;
    Ok(manifest)
}

/// The rows of a batch without those whose id comes again later in it.
fn last_versions(dimension: usize, ids: &[ArchivedString], vectors: &[f32_le]) -> GrowingRows {
    let mut seen = HashSet::with_capacity(ids.len());
    let mut is_last: Vec<bool> = ids
        .iter()
        .rev()
        .map(|id| seen.insert(id.as_str()))
        .collect();
    is_last.reverse();
    let mut kept_ids = Ids::default();
    let mut kept_vectors = Vec::with_capacity(seen.len() * dimension);
    let rows = ids.iter().zip(vectors.chunks_exact(dimension));
    for (_, (id, vector)) in is_last.iter().zip(rows).filter(|(is_last, _)| **is_last) {
        kept_ids.push(id.as_str());
        kept_vectors.extend(vector.iter().map(|value| value.to_native()));
    }
    GrowingRows::new(kept_ids, kept_vectors)
}
