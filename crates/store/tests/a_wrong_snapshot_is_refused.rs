//! A snapshot that is not what its manifest says changes nothing, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::Replica;
use vectra_store::{Shard, Snapshot, SnapshotReceiver, StoreError, StoreOptions};

fn snapshot() -> (Replica, Snapshot) {
    let mut sender = Replica::new();
    sender.upsert((0..5).map(|number| (number, 1.0)));
    sender.checkpoint();
    let snapshot = sender.shard.snapshot().unwrap().unwrap();
    (sender, snapshot)
}

/// The name and the bytes of each file.
fn files(snapshot: &Snapshot) -> Vec<(String, Vec<u8>)> {
    let files = snapshot.files().iter().enumerate().map(|(index, file)| {
        let mut bytes = vec![0; file.len as usize];
        snapshot.read_at(index, 0, &mut bytes).unwrap();
        (file.name.clone(), bytes)
    });
    files.collect()
}

fn receive(receiver: &mut SnapshotReceiver, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
    for (name, bytes) in files {
        receiver.begin_file(name, bytes.len() as u64)?;
        receiver.write(bytes)?;
    }
    Ok(())
}

/// Sends these files and this manifest to a replica, which must refuse them; says why.
fn refusal(files: &[(String, Vec<u8>)], manifest: &[u8]) -> String {
    let mut replica = Replica::new();
    replica.upsert([(77, 7.0)]);
    replica.checkpoint();
    let names = replica.files();
    let mut receiver = replica.shard.receive().unwrap();
    let error = receive(&mut receiver, files)
        .and_then(|()| receiver.finish(manifest))
        .unwrap_err();
    replica.check();
    assert_eq!(replica.files(), names, "something was left behind");
    error.to_string()
}

#[test]
fn with_files_that_differ() {
    let (_sender, snapshot) = snapshot();
    let (files, manifest) = (files(&snapshot), snapshot.manifest());
    assert!(refusal(&files[..1], &manifest).contains("did not come"));
    assert!(refusal(&[], &manifest).contains("did not come"));
    let twice = [files.clone(), files.clone()].concat();
    assert!(refusal(&twice, &manifest).contains("came twice"));
    let extra = [files.clone(), vec![("00000099.segment".into(), vec![1])]].concat();
    assert!(refusal(&extra, &manifest).contains("00000099.segment is not in its manifest"));
    for index in 0..files.len() {
        let mut changed = files.clone();
        changed[index].1[70] ^= 1;
        assert!(refusal(&changed, &manifest).contains(&files[index].0));
        let mut shorter = files.clone();
        shorter[index].1.pop();
        assert!(refusal(&shorter, &manifest).contains(&files[index].0));
    }
}

#[test]
fn with_a_manifest_that_is_none() {
    let (_sender, snapshot) = snapshot();
    let (files, manifest) = (files(&snapshot), snapshot.manifest());
    assert!(refusal(&files, b"").contains("is damaged"));
    assert!(refusal(&files, &manifest[1..]).contains("is damaged"));
    let empty = std::fs::read(Replica::new().directory.path().join("manifest")).unwrap();
    assert!(refusal(&[], &empty).contains("has no mark"));
}

#[test]
fn with_names_that_lead_elsewhere() {
    for name in [
        "../manifest",
        "/etc/passwd",
        "manifest",
        "lock",
        "a.segment",
        "..",
        "",
    ] {
        let error = refusal(&[(name.to_string(), vec![1])], b"");
        assert!(
            error.contains("is not the name of a segment's file"),
            "{error}"
        );
    }
}

#[test]
fn with_more_or_fewer_bytes_than_announced() {
    let replica = Replica::new();
    let mut receiver = replica.shard.receive().unwrap();
    assert!(
        receiver
            .write(b"x")
            .unwrap_err()
            .to_string()
            .contains("before the name")
    );
    receiver.begin_file("00000001.segment", 3).unwrap();
    receiver.write(b"ab").unwrap();
    let longer = receiver.write(b"cd").unwrap_err().to_string();
    assert!(longer.contains("longer than its 3 bytes"), "{longer}");
    let shorter = receiver
        .begin_file("00000001.vectors", 3)
        .unwrap_err()
        .to_string();
    assert!(shorter.contains("lacks 1 of its 3 bytes"), "{shorter}");
}

#[test]
fn of_another_dimension() {
    let (_sender, snapshot) = snapshot();
    let directory = tempfile::tempdir().unwrap();
    let other = Shard::open(directory.path(), 4, StoreOptions::default()).unwrap();
    let error = replica::send(&snapshot, &other, 10).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::WrongDimension {
                expected: 4,
                got: 3
            }
        ),
        "{error}"
    );
}
