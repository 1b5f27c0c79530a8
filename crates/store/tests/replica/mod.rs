//! A shard, beside it a plain map that says what it must hold, and the log its owner would keep.

#![allow(dead_code, unreachable_pub, reason = "each scenario uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use vectra_store::{
    Frozen, Shard, ShardView, Snapshot, StepObserver, StoreError, StoreOptions, WriteBatch,
};

pub const DIMENSION: usize = 3;

/// What a shard must hold: id → vector.
pub type Model = BTreeMap<String, Vec<f32>>;

/// A shard, the model of it, and the log of every batch applied so far. A mark is the number of
/// batches before it.
pub struct Replica {
    pub directory: TempDir,
    pub options: StoreOptions,
    pub shard: Shard,
    pub model: Model,
    pub log: Vec<Bytes>,
}

impl Replica {
    pub fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    /// With segments of few rows, so that there are many of them.
    pub fn with_rows_per_segment(rows: u64) -> Self {
        let segment_bytes = rows * 4 * DIMENSION as u64;
        Self::with(StoreOptions {
            segment_bytes,
            ..StoreOptions::default()
        })
    }

    pub fn observed(observe: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self::with(StoreOptions {
            observer: StepObserver::new(observe),
            ..StoreOptions::default()
        })
    }

    pub fn with(options: StoreOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let shard = Shard::open(directory.path(), DIMENSION, options.clone()).unwrap();
        Self {
            directory,
            options,
            shard,
            model: Model::new(),
            log: Vec::new(),
        }
    }

    pub fn apply(&mut self, batch: &WriteBatch) -> u64 {
        let expected = apply_to_model(&mut self.model, batch);
        let encoded = batch.encode();
        let existed = self.shard.apply(&encoded).unwrap().existed;
        assert_eq!(existed, expected, "ids that existed");
        self.log.push(encoded);
        existed
    }

    pub fn upsert(&mut self, rows: impl IntoIterator<Item = (u32, f32)>) -> u64 {
        self.apply(&upsert(rows))
    }

    pub fn delete(&mut self, ids: impl IntoIterator<Item = u32>) -> u64 {
        self.apply(&delete(ids))
    }

    pub fn freeze(&self) -> Frozen {
        self.shard.freeze(mark(self.log.len()))
    }

    pub fn checkpoint(&self) {
        self.shard.seal(self.freeze()).unwrap();
    }

    /// Closes the shard without a checkpoint, opens it again, and replays the log.
    pub fn restart(self) -> Self {
        let Self {
            directory,
            options,
            shard,
            model,
            log,
        } = self;
        drop(shard);
        let shard = open_and_replay(directory.path(), &options, &log);
        Self {
            directory,
            options,
            shard,
            model,
            log,
        }
    }

    pub fn check(&self) {
        check(&self.shard.view(), &self.model);
    }

    /// The files of the store, by name.
    pub fn files(&self) -> Vec<PathBuf> {
        files(self.directory.path())
    }
}

pub fn mark(batches: usize) -> Bytes {
    Bytes::copy_from_slice(&(batches as u64).to_le_bytes())
}

/// The number of batches that a shard's mark stands for.
pub fn marked(mark: Option<Bytes>) -> usize {
    mark.map_or(0, |mark| {
        u64::from_le_bytes(mark[..].try_into().unwrap()) as usize
    })
}

pub fn open(directory: &Path) -> Result<Shard, StoreError> {
    Shard::open(directory, DIMENSION, StoreOptions::default())
}

/// Opens a shard, and applies what its owner's log has after its mark.
pub fn open_and_replay(directory: &Path, options: &StoreOptions, log: &[Bytes]) -> Shard {
    let options = StoreOptions {
        observer: StepObserver::default(),
        ..options.clone()
    };
    let shard = Shard::open(directory, DIMENSION, options).unwrap();
    for batch in &log[marked(shard.mark())..] {
        shard.apply(batch).unwrap();
    }
    shard
}

/// The model after the first so many batches of a log.
pub fn model_of(batches: &[WriteBatch]) -> Model {
    let mut model = Model::new();
    for batch in batches {
        apply_to_model(&mut model, batch);
    }
    model
}

pub fn apply_to_model(model: &mut Model, batch: &WriteBatch) -> u64 {
    let before = model.clone();
    match batch {
        WriteBatch::Upsert { ids, vectors, .. } => {
            for (id, vector) in ids.iter().zip(vectors.chunks_exact(DIMENSION)) {
                model.insert(id.clone(), vector.to_vec());
            }
            let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
            distinct
                .into_iter()
                .filter(|id| before.contains_key(*id))
                .count() as u64
        }
        WriteBatch::Delete { ids } => {
            ids.iter().filter(|id| model.remove(*id).is_some()).count() as u64
        }
    }
}

/// Rows with the ids `id-N`, each with a vector made of its value.
pub fn upsert(rows: impl IntoIterator<Item = (u32, f32)>) -> WriteBatch {
    let (ids, vectors): (Vec<String>, Vec<[f32; DIMENSION]>) = rows
        .into_iter()
        .map(|(number, value)| (id(number), vector(value)))
        .unzip();
    WriteBatch::Upsert {
        ids,
        dimension: DIMENSION as u32,
        vectors: vectors.concat(),
    }
}

pub fn delete(ids: impl IntoIterator<Item = u32>) -> WriteBatch {
    WriteBatch::Delete {
        ids: ids.into_iter().map(id).collect(),
    }
}

pub fn id(number: u32) -> String {
    format!("id-{number}")
}

pub fn vector(value: f32) -> [f32; DIMENSION] {
    [value, 1.0, -value]
}

/// Checks that a view holds exactly the model, however it is asked.
pub fn check(view: &ShardView, model: &Model) {
    assert_eq!(view.live_rows(), model.len() as u64, "live rows");
    assert_eq!(contents(view), bits(model));
    for (id, vector) in model {
        let found = view
            .find(id)
            .unwrap()
            .unwrap_or_else(|| panic!("{id} is not found"));
        assert_eq!(bits_of(&found), bits_of(vector), "{id}");
        assert!(view.contains(id).unwrap());
    }
    for absent in ["", "id", "id-", "id-4294967295"] {
        assert_eq!(view.find(absent).unwrap(), None, "{absent}");
    }
}

/// Every live row by walking the parts; panics where an id has two.
pub fn contents(view: &ShardView) -> BTreeMap<String, Vec<u32>> {
    let mut found = BTreeMap::new();
    let mut values = Vec::new();
    for part in view.parts() {
        assert_eq!(part.codes().rows(), part.rows() as usize);
        let mut live_rows = 0;
        for row in (0..part.rows()).filter(|&row| part.is_live(row)) {
            live_rows += 1;
            part.read_vector(row, &mut values).unwrap();
            let id = part.id(row).unwrap();
            let before = found.insert(id.clone(), bits_of(&values));
            assert!(before.is_none(), "{id} has two versions");
        }
        assert_eq!(part.live_rows(), live_rows);
    }
    found
}

fn bits(model: &Model) -> BTreeMap<String, Vec<u32>> {
    model
        .iter()
        .map(|(id, vector)| (id.clone(), bits_of(vector)))
        .collect()
}

fn bits_of(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|value| value.to_bits()).collect()
}

/// The files of the store in a directory, sorted; not its lock.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.file_name().unwrap() != "lock")
        .collect();
    files.sort();
    files
}

/// The directory as a crash at this moment would leave it.
pub fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Sends a snapshot to another shard, in pieces of `piece` bytes.
pub fn send(snapshot: &Snapshot, to: &Shard, piece: usize) -> Result<(), StoreError> {
    let mut receiver = to.receive()?;
    for (index, file) in snapshot.files().iter().enumerate() {
        receiver.begin_file(&file.name, file.len)?;
        let mut offset = 0;
        while offset < file.len {
            let mut bytes = vec![0; piece.min((file.len - offset) as usize)];
            snapshot.read_at(index, offset, &mut bytes)?;
            receiver.write(&bytes)?;
            offset += bytes.len() as u64;
        }
    }
    to.install(receiver.finish(&snapshot.manifest())?)
}
