//! What a replica sends is its last checkpoint, whatever happens to it while it is sent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{Replica, check, marked, send};

#[test]
fn while_checkpoints_and_compactions_replace_its_files() {
    let mut sender = Replica::new();
    for round in 0..4 {
        sender.upsert((round * 5..round * 5 + 8).map(|number| (number, round as f32)));
        sender.delete([round * 5]);
        sender.checkpoint();
    }
    let snapshot = sender.shard.snapshot().unwrap().unwrap();
    let at_snapshot = sender.model.clone();

    sender.upsert((0..30).map(|number| (number, 9.0)));
    sender.checkpoint();
    while sender.shard.compact(u64::MAX).unwrap() {}
    let names: Vec<String> = snapshot
        .files()
        .iter()
        .map(|file| file.name.clone())
        .collect();
    assert!(!names.is_empty());
    assert!(
        names
            .iter()
            .all(|name| !sender.directory.path().join(name).exists())
    );

    let receiver = Replica::new();
    send(&snapshot, &receiver.shard, 1 << 20).unwrap();
    assert_eq!(receiver.shard.mark(), Some(snapshot.mark()));
    check(&receiver.shard.view(), &at_snapshot);
    sender.check();

    let reopened = replica::Replica {
        log: sender.log.clone(),
        ..receiver
    }
    .restart();
    check(&reopened.shard.view(), &sender.model);
}

#[test]
fn an_empty_checkpoint_can_be_sent_too() {
    let sender = Replica::new();
    assert!(sender.shard.snapshot().unwrap().is_none());
    sender.checkpoint();
    let snapshot = sender.shard.snapshot().unwrap().unwrap();
    assert!(snapshot.files().is_empty());
    let mut receiver = Replica::new();
    receiver.upsert([(1, 1.0)]);
    send(&snapshot, &receiver.shard, 10).unwrap();
    assert_eq!(receiver.shard.view().live_rows(), 0);
    assert_eq!(marked(receiver.shard.mark()), 0);
}

#[test]
fn a_frozen_state_from_before_it_is_not_sealed_over_it() {
    let mut sender = Replica::new();
    sender.upsert([(1, 1.0)]);
    sender.checkpoint();
    let snapshot = sender.shard.snapshot().unwrap().unwrap();

    let mut receiver = Replica::new();
    receiver.upsert([(2, 2.0)]);
    let frozen = receiver.freeze();
    send(&snapshot, &receiver.shard, 10).unwrap();
    let error = receiver.shard.seal(frozen).unwrap_err();
    assert!(
        matches!(error, vectra_store::StoreError::Overtaken),
        "{error}"
    );
    check(&receiver.shard.view(), &sender.model);
}

#[test]
fn however_often_it_is_interrupted() {
    let mut sender = Replica::new();
    for round in 0..3 {
        sender.upsert((round * 9..round * 9 + 9).map(|number| (number, round as f32)));
        sender.checkpoint();
    }
    let snapshot = sender.shard.snapshot().unwrap().unwrap();
    let receiver = Replica::new();
    let mut receiving = receiver.shard.receive().unwrap();
    // Each attempt gets a few pieces further than the one before, starting where that ended.
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (whole, begun) = receiving.position();
        let mut pieces = 0;
        for (index, file) in snapshot.files().iter().enumerate().skip(whole) {
            let mut offset = if index == whole { begun } else { 0 };
            if offset == 0 {
                receiving.begin_file(&file.name, file.len).unwrap();
            }
            while offset < file.len && pieces < 3 {
                let mut piece = vec![0; (file.len - offset).min(100) as usize];
                snapshot.read_at(index, offset, &mut piece).unwrap();
                receiving.write(&piece).unwrap();
                offset += piece.len() as u64;
                pieces += 1;
            }
            if offset < file.len {
                break;
            }
        }
        if pieces < 3 {
            break;
        }
    }
    assert!(attempts > 3, "{attempts} attempts");
    let received = receiving.finish(&snapshot.manifest()).unwrap();
    receiver.shard.install(received).unwrap();
    check(&receiver.shard.view(), &sender.model);
}
