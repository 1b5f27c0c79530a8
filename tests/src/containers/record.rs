//! What clients met with while something happened to the cluster.

use std::fmt;
use std::time::Duration;

/// What clients met with.
#[derive(Debug, Default)]
pub struct Record {
    /// How long each search took that found what it should.
    pub searches: Vec<Duration>,
    /// Searches that failed, and why.
    pub failed_searches: Vec<String>,
    /// How long each write took to be acknowledged, its repetitions included.
    pub writes: Vec<Duration>,
    /// Requests to write that were not acknowledged, and why: each was repeated.
    pub failed_writes: Vec<String>,
}

impl Record {
    /// The longest that a write had to be repeated, or waited for, until it was acknowledged.
    pub fn longest_stall(&self) -> Duration {
        self.writes.iter().max().copied().unwrap_or_default()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slowest = self.searches.iter().max().copied().unwrap_or_default();
        write!(
            to,
            "{} searches, {} failed, slowest {:.2} s; {} writes, {} refused or lost sight of on the way, \
             longest stall {:.2} s",
            self.searches.len(),
            self.failed_searches.len(),
            slowest.as_secs_f64(),
            self.writes.len(),
            self.failed_writes.len(),
            self.longest_stall().as_secs_f64(),
        )
    }
}
