//! Whether the process is about to stop, and whether anybody still sends it requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From the first request to the last. Clones share it.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    stops: AtomicBool,
    /// Milliseconds from `began` to the last request, plus one; 0 if there was none.
    last_request: AtomicU64,
}

impl Lifecycle {
    /// The process is about to stop: `GET /ready` says so, and clients are asked to connect elsewhere.
    /// Requests are served as before.
    pub fn stop(&self) {
        self.0.stops.store(true, Ordering::SeqCst);
    }

    pub(super) fn stops(&self) -> bool {
        self.0.stops.load(Ordering::SeqCst)
    }

    /// A request has come that is not about how the process is.
    pub(super) fn note_request(&self) {
        let millis = self.0.began.elapsed().as_millis() as u64;
        self.0.last_request.store(millis + 1, Ordering::Relaxed);
    }

    /// How long ago the last request came.
    pub fn quiet_for(&self) -> Duration {
        match self.0.last_request.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            millis => {
                let at = Duration::from_millis(millis - 1);
                self.0.began.elapsed().saturating_sub(at)
            }
        }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            stops: AtomicBool::new(false),
            last_request: AtomicU64::new(0),
        }))
    }
}
