//! A step of a compaction that may not take much memory leaves what is large as it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{DIMENSION, Replica};

const ROW_BYTES: u64 = 4 * DIMENSION as u64;

fn rows_of_segments(replica: &Replica) -> Vec<u32> {
    let view = replica.shard.view();
    view.parts().iter().map(|part| part.rows()).collect()
}

/// A replica with a segment of each of these numbers of rows.
fn with_segments(rows: &[u32]) -> Replica {
    let mut replica = Replica::new();
    let mut next = 0;
    for &count in rows {
        replica.upsert((next..next + count).map(|number| (number, 1.0)));
        replica.checkpoint();
        next += count;
    }
    assert_eq!(rows_of_segments(&replica), rows);
    replica
}

#[test]
fn what_is_larger_waits_for_one_that_may() {
    let replica = with_segments(&[60, 30, 20, 10]);
    while replica.shard.compact(70 * ROW_BYTES).unwrap() {}
    assert_eq!(rows_of_segments(&replica), [60, 60]);
    replica.check();
    while replica.shard.compact(u64::MAX).unwrap() {}
    assert_eq!(rows_of_segments(&replica), [120]);
    replica.check();
    replica.restart().check();
}

#[test]
fn dead_rows_go_where_those_that_live_are_few_enough() {
    let mut replica = with_segments(&[100]);
    replica.delete(0..80);
    replica.checkpoint();
    assert!(!replica.shard.compact(19 * ROW_BYTES).unwrap());
    assert_eq!(rows_of_segments(&replica), [100]);
    assert!(replica.shard.compact(20 * ROW_BYTES).unwrap());
    assert_eq!(rows_of_segments(&replica), [20]);
    replica.check();
}
