//! Telling threads when to end, also when the one who tells fails.

use std::sync::atomic::{AtomicBool, Ordering};

/// A moment that threads wait for. It comes when the [`Guard`] is dropped: at the end of a block, or
/// when a check in it fails, so that a failing scenario ends instead of waiting for its threads.
#[derive(Debug, Default)]
pub struct Until(AtomicBool);

/// Dropping it makes the moment come.
#[derive(Debug)]
pub struct Guard<'a>(&'a Until);

impl Until {
    /// Holds the moment off until the guard is dropped.
    pub fn dropped(&self) -> Guard<'_> {
        Guard(self)
    }

    /// Whether it has come.
    pub fn is_now(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}
