//! The directory is copied after every step that changes it. Each copy, opened as after a crash,
//! holds exactly the state at its mark, and with the log replayed the state of that moment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{
    Replica, check, copy_directory, delete, marked, model_of, open_and_replay, send, upsert,
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use vectra_store::{Shard, StepObserver, StoreOptions, WriteBatch};

/// Copies of a directory, each with the step that it was made after.
#[derive(Clone, Default)]
struct Crashes(Arc<Mutex<Vec<(&'static str, TempDir)>>>);

impl Crashes {
    fn observe(&self, directory: PathBuf) -> StepObserver {
        let crashes = self.clone();
        StepObserver::new(move |step| {
            let copy = tempfile::tempdir().unwrap();
            copy_directory(&directory, copy.path()).unwrap();
            crashes.0.lock().unwrap().push((step, copy));
        })
    }

    /// Opens the copies made since the last call. `before` and `after`: what the mark can be.
    fn check(&self, what: &str, log: &[WriteBatch], before: usize, after: usize) {
        let encoded: Vec<_> = log.iter().map(WriteBatch::encode).collect();
        let copies = std::mem::take(&mut *self.0.lock().unwrap());
        let mut marks = Vec::new();
        for (step, copy) in &copies {
            let options = StoreOptions::default();
            let shard = Shard::open(copy.path(), replica::DIMENSION, options.clone())
                .unwrap_or_else(|error| panic!("{what}, after {step}: {error}"));
            let mark = marked(shard.mark());
            check(&shard.view(), &model_of(&log[..mark]));
            drop(shard);
            let shard = open_and_replay(copy.path(), &options, &encoded);
            check(&shard.view(), &model_of(log));
            // What the interrupted step left is gone, and the next checkpoint works.
            let files = shard
                .snapshot()
                .unwrap()
                .map_or(0, |snapshot| snapshot.files().len());
            assert_eq!(
                replica::files(copy.path()).len(),
                files + 1,
                "{what}, after {step}"
            );
            shard.seal(shard.freeze(replica::mark(log.len()))).unwrap();
            check(&shard.view(), &model_of(log));
            marks.push(mark);
        }
        assert!(marks.is_sorted(), "{what}: {marks:?}");
        assert_eq!(
            marks.first(),
            Some(&before),
            "{what}: the first step changed the state"
        );
        assert_eq!(marks.last(), Some(&after), "{what}: the last step did not");
    }
}

fn observed(crashes: &Crashes) -> (TempDir, Shard) {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        observer: crashes.observe(directory.path().to_path_buf()),
        // Three rows a segment: a checkpoint writes several.
        segment_bytes: 3 * 4 * replica::DIMENSION as u64,
        ..StoreOptions::default()
    };
    let shard = Shard::open(directory.path(), replica::DIMENSION, options).unwrap();
    (directory, shard)
}

#[test]
fn while_sealing_and_compacting() {
    let crashes = Crashes::default();
    let (_directory, shard) = observed(&crashes);
    crashes.check("creation", &[], 0, 0);

    let mut log = Vec::new();
    let apply = |log: &mut Vec<WriteBatch>, batch: WriteBatch| {
        shard.apply(&batch.encode()).unwrap();
        log.push(batch);
    };
    apply(&mut log, upsert((0..7).map(|number| (number, 1.0))));
    apply(&mut log, delete([3]));
    shard.seal(shard.freeze(replica::mark(2))).unwrap();
    crashes.check("first checkpoint", &log, 0, 2);

    apply(&mut log, upsert([(1, 2.0), (8, 2.0)]));
    apply(&mut log, delete([0, 4, 5]));
    let frozen = shard.freeze(replica::mark(4));
    apply(&mut log, delete([8, 2]));
    apply(&mut log, upsert([(3, 3.0)]));
    shard.seal(frozen).unwrap();
    crashes.check("second checkpoint", &log, 2, 4);

    apply(&mut log, delete([1]));
    assert!(shard.compact(u64::MAX).unwrap());
    crashes.check("compaction", &log, 4, 4);
}

#[test]
fn while_a_snapshot_is_received_and_installed() {
    let mut leader = Replica::new();
    let mut log = vec![
        upsert((0..9).map(|n| (n, 1.0))),
        delete([1]),
        upsert([(2, 2.0)]),
    ];
    leader.apply(&log[0]);
    leader.apply(&log[1]);
    leader.checkpoint();
    leader.apply(&log[2]);
    leader.checkpoint();
    let snapshot = leader.shard.snapshot().unwrap().unwrap();

    // A follower that got the first entry only, has it sealed, and would get the others by log.
    let crashes = Crashes::default();
    let (_directory, follower) = observed(&crashes);
    follower.apply(&log[0].encode()).unwrap();
    follower.seal(follower.freeze(replica::mark(1))).unwrap();
    crashes.0.lock().unwrap().clear();
    send(&snapshot, &follower, 50).unwrap();
    assert_eq!(marked(follower.mark()), 3);
    crashes.check("installation", &log, 1, 3);

    // And goes on from there.
    log.push(delete([5]));
    follower.apply(&log[3].encode()).unwrap();
    check(&follower.view(), &model_of(&log));
}
