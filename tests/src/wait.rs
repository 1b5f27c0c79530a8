//! Bounded waiting for a condition: the only use of time in the scenarios.

use std::time::{Duration, Instant};

/// How long a condition may take to come true, generous for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it is `Ok`, for [`PATIENCE`].
///
/// # Panics
/// With what was awaited and the last error, when the time is over.
#[track_caller]
pub fn eventually<T>(awaited: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, awaited, attempt)
}

/// Tries until it is `Ok`, for as long as that may take.
///
/// # Panics
/// With what was awaited and the last error, when the time is over.
#[track_caller]
pub fn eventually_within<T>(
    patience: Duration,
    awaited: &str,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if start.elapsed() > patience => {
                panic!("{awaited}: still not after {patience:?}: {error}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Whether a condition comes true within `patience`.
pub fn poll(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
