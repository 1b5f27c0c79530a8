//! What stops in an orderly way is not missed.

use crate::containers::Record;

/// Panics if a search or a write failed, or none was made.
#[track_caller]
pub fn no_request_fails(record: &Record) {
    super::no_search_fails(record);
    assert!(!record.writes.is_empty(), "nobody wrote");
    assert_eq!(record.failed_writes, Vec::<String>::new(), "{record}");
}
