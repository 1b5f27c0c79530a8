//! Files that a newer program wrote are refused with a message that says so, and left as they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{Replica, open};
use std::{fs, path::Path};
use vectra_store::StoreError;

const NEWER: u32 = 3;

/// Gives a file a newer version, and the checksum to go with it.
fn rewrite_version(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[8..12].copy_from_slice(&NEWER.to_le_bytes());
    if file.file_name().unwrap() == "manifest" {
        let crc = crc32fast::hash(&[&bytes[8..12], &bytes[16..]].concat());
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    } else {
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn each_kind_of_file_of_a_newer_version_is_refused() {
    let mut replica = Replica::new();
    replica.upsert([(1, 1.0)]);
    replica.checkpoint();
    let Replica {
        directory, shard, ..
    } = replica;
    drop(shard);
    for file in replica::files(directory.path()) {
        let before = fs::read(&file).unwrap();
        rewrite_version(&file);
        let newer = fs::read(&file).unwrap();
        let error = open(directory.path()).unwrap_err();
        let StoreError::NewerVersion {
            file: named,
            supported: 2,
            got: NEWER,
        } = &error
        else {
            panic!("{} gave {error}", file.display());
        };
        assert_eq!(named, &file);
        assert!(error.to_string().contains("start the newer program"));
        assert_eq!(
            fs::read(&file).unwrap(),
            newer,
            "a refused file was changed"
        );
        fs::write(&file, before).unwrap();
    }
    open(directory.path()).unwrap();
}

#[test]
fn another_dimension_is_refused() {
    let replica = Replica::new();
    let Replica {
        directory,
        shard,
        options,
        ..
    } = replica;
    drop(shard);
    let error = vectra_store::Shard::open(directory.path(), 4, options).unwrap_err();
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

#[test]
fn a_directory_in_use_is_refused() {
    let replica = Replica::new();
    let error = open(replica.directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}
