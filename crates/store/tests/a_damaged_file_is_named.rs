//! Any flipped bit and any lost byte, in any file: the shard says which file, or answers as it
//! should. It never answers wrong, never panics, never starts empty.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{Replica, check, open};
use std::{fs, path::Path};
use vectra_store::{Shard, StoreError};

/// Two segments, tombstones, a mark; closed.
fn closed() -> Replica {
    let mut replica = Replica::new();
    replica.upsert((0..10).map(|number| (number, number as f32)));
    replica.checkpoint();
    replica.upsert((5..12).map(|number| (number, -1.0)));
    replica.delete([0, 11]);
    replica.checkpoint();
    replica
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Opens a directory that holds what was `expected` before `file` in it was changed.
fn open_changed(directory: &Path, file: &Path, expected: &replica::Model) {
    let shard = match open(directory) {
        Err(error) => return assert_names(&error, file),
        Ok(shard) => shard,
    };
    // Only rows of vectors are not verified until they are read.
    assert_eq!(file.extension().unwrap(), "vectors");
    let view = shard.view();
    let mut damaged = 0;
    for (id, vector) in expected {
        match view.find(id) {
            Ok(found) => assert_eq!(found.as_ref(), Some(vector)),
            Err(error) => {
                assert_names(&error, file);
                damaged += 1;
            }
        }
    }
    assert!(damaged <= 1, "one byte damaged {damaged} rows");
}

fn assert_names(error: &StoreError, file: &Path) {
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().contains(name(file)),
        "{error} should name {}",
        name(file)
    );
}

#[test]
fn any_flipped_bit_is_found() {
    let Replica {
        directory,
        shard,
        model,
        ..
    } = closed();
    drop(shard);
    for file in replica::files(directory.path()) {
        let bytes = fs::read(&file).unwrap();
        // Three is prime to eight: every byte, and every place in a byte, comes up.
        for bit in (0..bytes.len() * 8).step_by(3) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &flipped).unwrap();
            open_changed(directory.path(), &file, &model);
        }
        fs::write(&file, &bytes).unwrap();
    }
    check(&open(directory.path()).unwrap().view(), &model);
}

#[test]
fn a_file_of_another_length_is_found() {
    let Replica {
        directory,
        shard,
        model,
        ..
    } = closed();
    drop(shard);
    for file in replica::files(directory.path()) {
        let bytes = fs::read(&file).unwrap();
        for len in 0..bytes.len() {
            fs::write(&file, &bytes[..len]).unwrap();
            assert_names(&open(directory.path()).unwrap_err(), &file);
        }
        fs::write(&file, [&bytes[..], &[0]].concat()).unwrap();
        assert_names(&open(directory.path()).unwrap_err(), &file);
        fs::write(&file, &bytes).unwrap();
    }
    check(&open(directory.path()).unwrap().view(), &model);
}

#[test]
fn a_missing_file_is_found() {
    let Replica {
        directory,
        shard,
        model,
        ..
    } = closed();
    drop(shard);
    for file in replica::files(directory.path()) {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_names(&open(directory.path()).unwrap_err(), &file);
        fs::write(&file, &bytes).unwrap();
    }
    check(&open(directory.path()).unwrap().view(), &model);
}

#[test]
fn a_file_in_the_place_of_another_is_found() {
    let Replica {
        directory, shard, ..
    } = closed();
    drop(shard);
    let files = replica::files(directory.path());
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for other in files.iter().filter(|other| *other != file) {
            fs::copy(other, file).unwrap();
            // Two vectors files with as many rows differ only in rows, which have checksums too.
            assert_names(&open(directory.path()).unwrap_err(), file);
        }
        fs::write(file, &bytes).unwrap();
    }
}

#[test]
fn a_row_in_the_place_of_another_is_found() {
    let Replica {
        directory, shard, ..
    } = closed();
    drop(shard);
    let files = replica::files(directory.path());
    let file = files
        .iter()
        .find(|file| file.extension().is_some_and(|e| e == "vectors"))
        .unwrap();
    let mut bytes = fs::read(file).unwrap();
    let stride = 4 * replica::DIMENSION + 4;
    bytes.copy_within(64 + stride..64 + 2 * stride, 64 + 2 * stride);
    fs::write(file, &bytes).unwrap();
    let view = open(directory.path()).unwrap().view();
    assert_names(&view.find(&replica::id(2)).unwrap_err(), file);
}

#[test]
fn a_damaged_row_does_not_stop_the_others() {
    let Replica {
        directory,
        shard,
        model,
        ..
    } = closed();
    drop(shard);
    let files = replica::files(directory.path());
    let file = files
        .iter()
        .find(|file| file.extension().is_some_and(|e| e == "vectors"))
        .unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[64] ^= 1;
    fs::write(file, &bytes).unwrap();
    // Row 0 holds id-0, which was deleted: nobody misses it, and a checkpoint still works.
    let shard: Shard = open(directory.path()).unwrap();
    check(&shard.view(), &model);
    shard.seal(shard.freeze(replica::mark(0))).unwrap();
    check(&shard.view(), &model);
}

#[test]
fn ids_that_the_disk_gives_back_otherwise_after_opening_are_found() {
    let Replica {
        directory,
        shard,
        model,
        ..
    } = closed();
    drop(shard);
    let shard = open(directory.path()).unwrap();
    for file in replica::files(directory.path()) {
        if file.extension().is_none_or(|extension| extension != "ids") {
            continue;
        }
        let bytes = fs::read(&file).unwrap();
        let mut damaged = bytes.clone();
        damaged[64..].iter_mut().for_each(|byte| *byte ^= 1);
        // In place: the shard has the file open.
        fs::write(&file, &damaged).unwrap();
        let view = shard.view();
        assert_names(&view.find(&replica::id(3)).unwrap_err(), &file);
        let part = &view.parts()[usize::from(name(&file) != "00000001.ids")];
        assert_names(&part.id(1).unwrap_err(), &file);
        for batch in [replica::upsert([(3, 9.0)]), replica::delete([3])] {
            assert_names(&shard.apply(&batch.encode()).unwrap_err(), &file);
        }
        fs::write(&file, &bytes).unwrap();
        check(&shard.view(), &model);
    }
}
