//! Rows leave a shard for one of their own: each row is in one of the two, as it was, whatever
//! happens to the files of the other, and whenever the process ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use bytes::Bytes;
use replica::{DIMENSION, Model, Replica, check, copy_directory, delete, id, open, upsert};
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use vectra_store::{Shard, StepObserver, StoreError, StoreOptions};

/// Ids whose number is odd leave.
fn leaves(id: &str) -> bool {
    id.strip_prefix("id-").unwrap().parse::<u32>().unwrap() % 2 == 1
}

fn parts(model: &Model) -> (Model, Model) {
    let all = model.clone().into_iter();
    all.partition(|(id, _)| !leaves(id))
}

fn divide(shard: &Shard, directory: &Path) {
    let division = shard.divide(leaves).unwrap();
    division
        .write(directory, Bytes::from_static(b"born"))
        .unwrap();
    division.remove();
}

/// A shard with sealed segments, tombstones in them, and growing rows of two generations.
fn mixed() -> Replica {
    let mut replica = Replica::with_rows_per_segment(20);
    replica.upsert((0..50).map(|number| (number, 1.0)));
    replica.checkpoint();
    replica.delete([3, 4, 5]);
    replica.upsert((40..70).map(|number| (number, 2.0)));
    drop(replica.freeze());
    replica.upsert((65..90).map(|number| (number, 3.0)));
    replica.delete([66, 67, 1]);
    replica
}

#[test]
fn each_row_is_in_one_of_the_two_and_stays_there() {
    let mut replica = mixed();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("child");
    divide(&replica.shard, &directory);
    let (stay, leave) = parts(&replica.model);
    check(&replica.shard.view(), &stay);
    let child = open(&directory).unwrap();
    assert_eq!(child.mark().unwrap(), "born");
    check(&child.view(), &leave);

    // Both go on: writes, checkpoints, and a compaction that drops what belongs to the other.
    replica.model = stay;
    replica.upsert((100..110).map(|number| (2 * number, 4.0)));
    replica.delete([0]);
    replica.checkpoint();
    while replica.shard.compact(u64::MAX).unwrap() {}
    replica.check();
    check(&child.view(), &leave);
    let rows = |shard: &Shard| -> u32 { shard.view().parts().iter().map(|part| part.rows()).sum() };
    assert!(
        rows(&child) > leave.len() as u32,
        "rows that stayed are still in its files"
    );
    while child.compact(u64::MAX).unwrap() {}
    check(&child.view(), &leave);
    assert_eq!(rows(&child), leave.len() as u32);
    drop(child);
    check(&open(&directory).unwrap().view(), &leave);
}

#[test]
fn a_checkpoint_under_way_keeps_to_the_state_it_froze() {
    let replica = mixed();
    let place = tempfile::tempdir().unwrap();
    let frozen = replica.freeze();
    divide(&replica.shard, &place.path().join("child"));
    replica.shard.seal(frozen).unwrap();
    let (stay, _) = parts(&replica.model);
    check(&replica.shard.view(), &stay);
    // The checkpoint is from before, and a replay of the division after it gives the same.
    let mut replica = replica.restart();
    replica.check();
    divide(&replica.shard, &place.path().join("child"));
    check(&replica.shard.view(), &stay);
    replica.model = stay;
    replica.checkpoint();
    replica.restart().check();
}

#[test]
fn a_division_done_again_leaves_the_other_shard_as_it_is_by_now() {
    let replica = mixed();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("child");
    divide(&replica.shard, &directory);
    let child = open(&directory).unwrap();
    child.apply(&delete([7]).encode()).unwrap();
    child
        .seal(child.freeze(Bytes::from_static(b"later")))
        .unwrap();
    drop(child);

    let replica = replica.restart();
    divide(&replica.shard, &directory);
    let child = open(&directory).unwrap();
    assert_eq!(child.mark().unwrap(), "later");
    assert!(!child.view().contains(&id(7)).unwrap());
}

#[test]
fn nothing_that_leaves_makes_an_empty_shard_and_everything_empties_this_one() {
    let mut replica = Replica::new();
    replica.upsert([(0, 1.0), (2, 1.0)]);
    let place = tempfile::tempdir().unwrap();
    divide(&replica.shard, &place.path().join("none"));
    replica.check();
    let child = open(&place.path().join("none")).unwrap();
    assert_eq!(child.view().live_rows(), 0);
    assert_eq!(child.mark().unwrap(), "born");

    let division = replica.shard.divide(|_| true).unwrap();
    let all = place.path().join("all");
    division.write(&all, Bytes::from_static(b"born")).unwrap();
    division.remove();
    check(&open(&all).unwrap().view(), &replica.model);
    assert_eq!(replica.shard.view().live_rows(), 0);
}

#[test]
fn after_a_crash_the_other_shard_is_there_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let copies: Arc<Mutex<Vec<(&'static str, TempDir)>>> = Arc::default();
    let observer = {
        let (copies, from) = (copies.clone(), place.path().to_path_buf());
        StepObserver::new(move |step| {
            let copy = tempfile::tempdir().unwrap();
            copy_directory(&from, copy.path()).unwrap();
            copies.lock().unwrap().push((step, copy));
        })
    };
    let options = StoreOptions {
        observer,
        segment_bytes: 7 * 4 * DIMENSION as u64,
        ..StoreOptions::default()
    };
    let shard = Shard::open(&place.path().join("parent"), DIMENSION, options).unwrap();
    let batch = upsert((0..20).map(|number| (number, 1.0)));
    shard.apply(&batch.encode()).unwrap();
    shard.seal(shard.freeze(replica::mark(1))).unwrap();
    let more = upsert((15..30).map(|number| (number, 2.0)));
    shard.apply(&more.encode()).unwrap();
    copies.lock().unwrap().clear();
    divide(&shard, &place.path().join("child"));

    let (stay, leave) = parts(&replica::model_of(&[batch, more.clone()]));
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    let mut there = Vec::new();
    for (step, copy) in &copies {
        let directory = copy.path().join("child");
        there.push(directory.exists());
        if directory.exists() {
            check(&open(&directory).unwrap().view(), &leave);
        }
        // The log is replayed, the division with it.
        let shard = open(&copy.path().join("parent")).unwrap();
        shard.apply(&more.encode()).unwrap();
        divide(&shard, &directory);
        check(&shard.view(), &stay);
        let child = open(&directory).unwrap_or_else(|error| panic!("after {step}: {error}"));
        check(&child.view(), &leave);
    }
    assert!(
        there.is_sorted() && !there[0] && there[there.len() - 1],
        "{there:?}"
    );
}

#[test]
fn a_batch_with_an_id_that_is_not_admitted_changes_nothing() {
    let mut replica = Replica::new();
    replica.upsert([(0, 1.0)]);
    for batch in [upsert([(2, 1.0), (3, 1.0)]), delete([0, 3])] {
        let refused = replica.shard.apply_where(&batch.encode(), |id| !leaves(id));
        assert!(matches!(refused, Err(StoreError::NotAdmitted { id }) if id == "id-3"));
        replica.check();
    }
    let admitted = upsert([(2, 1.0)]).encode();
    let applied = replica.shard.apply_where(&admitted, |id| !leaves(id));
    assert_eq!(applied.unwrap().existed, 0);
}
