//! A checkpoint, a compaction or an installation that the disk refuses changes nothing, leaves no
//! segment behind, and works once the disk does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{Replica, send};
use std::{fs, path::PathBuf};
use vectra_store::StoreError;

fn segments(replica: &Replica) -> Vec<PathBuf> {
    let files = replica.files().into_iter();
    files
        .filter(|file| {
            file.extension()
                .is_some_and(|e| e == "segment" || e == "vectors")
        })
        .collect()
}

/// Calls `act` while something stands where the store wants to write `name`.
fn refused<T: std::fmt::Debug>(
    replica: &Replica,
    name: &str,
    act: impl FnOnce() -> Result<T, StoreError>,
) {
    let before = segments(replica);
    let obstacle = replica.directory.path().join(name);
    fs::create_dir(&obstacle).unwrap();
    let error = act().unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(
        error.to_string().contains(name),
        "{error} should name {name}"
    );
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(segments(replica), before, "something was left behind");
    replica.check();
}

#[test]
fn a_checkpoint() {
    for name in ["00000001.segment", "00000001.vectors", "manifest.tmp"] {
        let mut replica = Replica::new();
        replica.upsert((0..9).map(|number| (number, 1.0)));
        refused(&replica, name, || replica.shard.seal(replica.freeze()));
        assert_eq!(replica.shard.mark(), None);
        replica.upsert((5..12).map(|number| (number, 2.0)));
        replica.delete([0]);
        replica.checkpoint();
        replica.check();
        let replica = replica.restart();
        assert_eq!(replica::marked(replica.shard.mark()), replica.log.len());
        replica.check();
    }
}

#[test]
fn a_compaction() {
    for name in ["00000003.segment", "00000003.vectors", "manifest.tmp"] {
        let mut replica = Replica::new();
        for round in 0..2 {
            replica.upsert((0..9).map(|number| (number + 5 * round, 1.0)));
            replica.checkpoint();
        }
        refused(&replica, name, || replica.shard.compact(u64::MAX));
        replica.delete([7]);
        assert!(replica.shard.compact(u64::MAX).unwrap());
        replica.check();
        replica.restart().check();
    }
}

#[test]
fn an_installation() {
    for name in ["00000002.segment", "00000002.vectors", "manifest.tmp"] {
        let mut sender = Replica::new();
        sender.upsert((0..9).map(|number| (number, 1.0)));
        sender.checkpoint();
        let snapshot = sender.shard.snapshot().unwrap().unwrap();
        let mut replica = Replica::new();
        replica.upsert([(1, 3.0)]);
        replica.checkpoint();
        replica.upsert([(2, 3.0)]);
        refused(&replica, name, || send(&snapshot, &replica.shard, 100));
        send(&snapshot, &replica.shard, 100).unwrap();
        replica::check(&replica.shard.view(), &sender.model);
    }
}
