//! What the owner of a shard can choose.

use std::{fmt, sync::Arc, time::Duration};

/// What the owner of a shard can choose. Build it as
/// `StoreOptions { seal_bytes, ..StoreOptions::default() }`.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Bytes of float32 rows in memory that call for a checkpoint. The store only keeps the
    /// number for its owner, who decides when to freeze and seal. 16 MiB.
    pub seal_bytes: u64,
    /// Rows in memory call for a checkpoint too once nothing was applied for so long. Kept for the
    /// owner as well. 30 s.
    pub seal_after: Duration,
    /// Most bytes of float32 rows in one sealed segment. Sealing and compaction hold about one and
    /// a half of it in memory while they write. 96 MiB.
    pub segment_bytes: u64,
    /// Told of each step that changed the directory; for tests that stop between two steps.
    pub observer: StepObserver,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            seal_bytes: 16 << 20,
            seal_after: Duration::from_secs(30),
            segment_bytes: 96 << 20,
            observer: StepObserver::default(),
        }
    }
}

/// A function called with the name of each step that changed a shard's directory.
#[derive(Clone, Default)]
pub struct StepObserver(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl StepObserver {
    /// Calls `observe` after each step, on the thread that took it.
    pub fn new(observe: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    pub(crate) fn step(&self, name: &'static str) {
        if let Some(observe) = &self.0 {
            observe(name);
        }
    }
}

impl fmt::Debug for StepObserver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "StepObserver(set)"
        } else {
            "StepObserver"
        })
    }
}
