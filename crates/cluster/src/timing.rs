//! How patient raft is.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use crate::ClusterError;

/// A snapshot may take this long to arrive.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(1_800);
/// A message to a follower carries no more entries.
const MESSAGE_ENTRIES: u64 = 512;

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
            election_min: Duration::from_millis(750),
            election_max: Duration::from_millis(1_500),
        }
    }
}

impl RaftTiming {
    pub(crate) fn raft_config(
        &self,
        name: String,
        snapshots: SnapshotPolicy,
        kept_entries: u64,
    ) -> Result<Arc<Config>, ClusterError> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let config = Config {
            cluster_name: name,
            heartbeat_interval: millis(self.heartbeat),
            // `group/beat` sends them.
            enable_heartbeat: false,
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: millis(SNAPSHOT_TIMEOUT),
            max_payload_entries: MESSAGE_ENTRIES,
            snapshot_policy: snapshots,
            max_in_snapshot_log_to_keep: kept_entries,
            ..Config::default()
        };
        config
            .validate()
            .map(Arc::new)
            .map_err(|error| ClusterError::Refused {
                reason: format!("these raft time-outs cannot work: {error}"),
            })
    }

    /// For how long after a majority was heard a leader may answer reads: less than the lease, for
    /// clocks do not all run at the same speed.
    pub(crate) fn read_lease(&self) -> Duration {
        self.election_max.mul_f64(0.9)
    }
}
