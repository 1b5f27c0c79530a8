//! Neither opening a shard nor writing to it keeps ids or the index of sealed rows in memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{DIMENSION, Replica, id};
use std::{fs, path::Path};
use vectra_store::WriteBatch;

const ROWS: u32 = 60_000;

/// Bytes of mapped segment files, and those of them that are resident.
fn mapped(directory: &Path) -> (u64, u64) {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut size, mut resident) = (0, 0);
    let mut is_segment = false;
    for line in smaps.lines() {
        let kilobytes = || {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
                << 10
        };
        if line.starts_with("Size:") && is_segment {
            size += kilobytes();
        } else if line.starts_with("Rss:") && is_segment {
            resident += kilobytes();
        } else if line
            .split_once('-')
            .is_some_and(|(start, _)| u64::from_str_radix(start, 16).is_ok())
        {
            is_segment = line.contains(directory.to_str().unwrap()) && line.ends_with(".segment");
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
    // Faults bring in up to 16 pages around the one that is touched.
    let few = 128 << 10;

    let (size, resident) = mapped(&path);
    assert!(size > 1 << 20, "the segment is too small to tell: {size}");
    assert!(
        resident <= few,
        "{resident} of {size} bytes are resident after opening"
    );

    for first in (0..ROWS).step_by(1_000) {
        replica
            .shard
            .apply(&batch(first..first + 1_000).encode())
            .unwrap();
    }
    replica.checkpoint();
    let (size, resident) = mapped(&path);
    assert!(
        resident <= few,
        "{resident} of {size} bytes are resident after {ROWS} replacements"
    );
    assert_eq!(replica.shard.view().live_rows(), u64::from(ROWS));
}
