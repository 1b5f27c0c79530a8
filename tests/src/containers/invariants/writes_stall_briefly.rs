//! Writes go on once the shards have leaders again.

use std::time::Duration;

use crate::containers::Record;

/// The longest that a writer may have to wait, repeating what was not acknowledged.
const LONGEST: Duration = Duration::from_secs(5);

/// Panics if a write took longer, or nobody wrote.
#[track_caller]
pub fn writes_stall_briefly(record: &Record) {
    assert!(!record.writes.is_empty(), "nobody wrote");
    let longest = record.longest_stall();
    assert!(longest <= LONGEST, "{record}\n{:#?}", record.failed_writes);
}
