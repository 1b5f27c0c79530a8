//! Another replica, or another coordinator, hides the loss of one.

use crate::containers::Record;

/// Panics if a search failed, or none was made.
#[track_caller]
pub fn no_search_fails(record: &Record) {
    assert!(!record.searches.is_empty(), "nobody searched");
    assert_eq!(record.failed_searches, Vec::<String>::new(), "{record}");
}
