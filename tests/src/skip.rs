//! Skipping, never silently.

use std::io::Write;

/// Tells on the test run's own standard error, past the capture of the test harness, that
/// something was not tested and why.
pub fn skipped(what: &str, why: &str) {
    writeln!(std::io::stderr(), "\nskipped: {what}: {why}").expect("standard error is open");
}
