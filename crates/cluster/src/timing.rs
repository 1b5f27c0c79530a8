//! How patient raft is.

use std::time::Duration;

/// How patient the raft groups of this node are. `heartbeat < election_min < election_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTiming {
    /// How often a leader makes itself heard, and how long it waits for a follower's answer.
    pub heartbeat: Duration,
    /// The least a follower waits for an election once its leader's lease has run out.
    pub election_min: Duration,
    /// The most it waits, and the lease during which it votes for nobody else.
    pub election_max: Duration,
}

impl Default for RaftTiming {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            election_min: Duration::from_millis(1_000),
            election_max: Duration::from_millis(2_000),
        }
    }
}
