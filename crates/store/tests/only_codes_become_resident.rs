//! Neither opening a shard nor writing to it keeps ids or the index of sealed rows in memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{DIMENSION, Replica, id};
use std::{fs, path::Path};
use vectra_store::WriteBatch;

const ROWS: u32 = 100_000;

/// Bytes of the shard's mapped files, and those of them that are resident.
fn mapped(directory: &Path) -> (u64, u64) {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut size, mut resident) = (0, 0);
    let mut is_of_shard = false;
    for line in smaps.lines() {
        let kilobytes = || {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
                << 10
        };
        if line.starts_with("Size:") && is_of_shard {
            size += kilobytes();
        } else if line.starts_with("Rss:") && is_of_shard {
            resident += kilobytes();
        } else if line
            .split_once('-')
            .is_some_and(|(start, _)| u64::from_str_radix(start, 16).is_ok())
        {
            is_of_shard = line.contains(directory.to_str().unwrap());
        }
    }
    (size, resident)
}

fn batch(rows: std::ops::Range<u32>) -> WriteBatch {
    let vectors = rows
        .clone()
        .flat_map(|row| [1.0, row as f32, 2.0])
        .collect();
    WriteBatch::Upsert {
        ids: rows.map(id).collect(),
        dimension: DIMENSION as u32,
        vectors,
    }
}

#[test]
fn only_codes_become_resident() {
    let replica = Replica::new();
    replica.shard.apply(&batch(0..ROWS).encode()).unwrap();
    replica.checkpoint();
    let replica = replica.restart();
    let path = replica.directory.path().canonicalize().unwrap();
    let (size, resident) = mapped(&path);
    let codes = u64::from(ROWS) * 4;
    assert!(
        (codes..codes + (64 << 10)).contains(&size),
        "{size} bytes are mapped for {codes} bytes of codes"
    );
    // One fault can bring in all that the page cache holds as one piece.
    assert!(
        resident <= size / 2,
        "{resident} of {size} bytes are resident after opening"
    );

    for first in (0..ROWS).step_by(1_000) {
        replica
            .shard
            .apply(&batch(first..first + 1_000).encode())
            .unwrap();
    }
    replica.checkpoint();
    let view = replica.shard.view();
    let ids = (0..ROWS).map(|row| view.parts()[0].id(row).unwrap());
    assert!(ids.eq((0..ROWS).map(id)), "ids by row");
    assert!(view.contains(&id(ROWS / 2)).unwrap());
    let (size, resident) = mapped(&path);
    assert!(
        resident <= size / 2,
        "{resident} of {size} bytes are resident after {ROWS} replacements"
    );
    assert_eq!(replica.shard.view().live_rows(), u64::from(ROWS));
}
