//! Brings a shard up to what its log is known to have committed, before its group starts.

use openraft::RaftLogReader;
use vectra_store::Shard;

use super::keeper::is_worth_a_segment;
use crate::log::GroupLog;
use crate::machine::{ShardConfig, ShardMachine};

/// Rows replayed are sealed when they take this much, so that a start needs little memory however
/// long the log is. Four shards start at once.
const SEAL_BYTES: u64 = 4 << 20;

/// Applies the entries between the shard's last checkpoint and what the log is known to have
/// committed, a few at a time, and seals as it goes. Raft itself would apply them by 64 entries,
/// of any size, and seal none.
pub(super) async fn replay(
    log: &GroupLog<ShardConfig>,
    machine: &ShardMachine,
    shard: &Shard,
) -> Result<(), String> {
    let Some(committed) = log.committed() else {
        return Ok(());
    };
    let mut log = log.clone();
    let mut is_sealing_useful = true;
    loop {
        let next = machine.last_applied().map_or(0, |last| last.index + 1);
        let is_last = next > committed.index;
        let is_due = if is_last {
            is_worth_a_segment(shard)
        } else {
            shard.growing_bytes() >= SEAL_BYTES
        };
        if is_sealing_useful && is_due {
            // A full disk keeps no rows from being served: they stay in memory.
            is_sealing_useful = seal(machine).await?;
        }
        if is_last {
            return Ok(());
        }
        let entries = log
            .limited_get_log_entries(next, committed.index + 1)
            .await
            .map_err(|error| error.to_string())?;
        let found = entries.first().map(|entry| entry.log_id.index);
        if found != Some(next) {
            return Err(format!(
                "entry {next} of the log is needed and is not there: files of the log are missing"
            ));
        }
        let applying = machine.clone();
        (machine.workers())
            .run("apply", move || applying.apply_all(entries))
            .await?
            .map_err(|error| error.to_string())?;
    }
}

/// Returns whether that worked.
async fn seal(machine: &ShardMachine) -> Result<bool, String> {
    let sealing = machine.clone();
    let sealed = machine.workers().run("seal", move || sealing.checkpoint());
    match sealed.await? {
        Ok(()) => Ok(true),
        Err(reason) => {
            tracing::warn!(%reason, "replayed rows could not be sealed");
            Ok(false)
        }
    }
}
