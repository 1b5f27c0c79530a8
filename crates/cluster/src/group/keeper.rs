//! Keeps one shard's group in order: checkpoints, a short log, compaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::{Raft, ServerState};
use tokio::task::JoinHandle;
use vectra_store::Shard;

use crate::LogEngine;
use crate::machine::{Progress, ShardCommand, ShardConfig};

/// A checkpoint is due after this much log, also if the rows it left are few.
const LOG_BYTES: u64 = 64 << 20;
const LOG_ENTRIES: u64 = 100_000;
/// How often to look, also if nothing seems to happen.
const PERIOD: Duration = Duration::from_secs(1);
/// Raft may not follow a request for a checkpoint, and a checkpoint may fail: then it is tried
/// again after this long.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Keeper {
    pub(super) raft: Raft<ShardConfig>,
    pub(super) shard: Arc<Shard>,
    pub(super) progress: Arc<Progress>,
    pub(super) engine: LogEngine,
    pub(super) name: String,
}

impl Keeper {
    /// Runs until the group stops.
    pub(super) async fn run(self) {
        let mut checkpoints = self.progress.checkpoints();
        let mut requested: Option<Instant> = None;
        let mut shortened = Instant::now();
        let mut compaction: Option<JoinHandle<()>> = None;
        let mut unfinished_since: Option<Instant> = None;
        loop {
            // Elapsed or changed: either way it is time to look.
            let _ = tokio::time::timeout(PERIOD, self.progress.changed.notified()).await;
            if self.raft.metrics().borrow().running_state.is_err() {
                return;
            }
            if !self.is_election_unfinished() {
                unfinished_since = None;
            } else if unfinished_since.get_or_insert_with(Instant::now).elapsed() >= PERIOD {
                unfinished_since = None;
                self.finish_election().await;
            }
            if shortened.elapsed() >= PERIOD {
                self.shorten_log().await;
                shortened = Instant::now();
            }

            let is_compacting = compaction
                .as_ref()
                .is_some_and(|running| !running.is_finished());
            if checkpoints != self.progress.checkpoints() && !is_compacting {
                checkpoints = self.progress.checkpoints();
                compaction = Some(self.compact());
            }

            let is_requested = (self.progress.trouble().is_some()
                || !self.progress.begun_since_request())
                && requested.is_some_and(|at| at.elapsed() < RETRY);
            if !self.progress.is_sealing() && !is_requested && self.checkpoint_is_due() {
                requested = Some(Instant::now());
                self.progress.note_request();
                if let Err(error) = self.raft.trigger().snapshot().await {
                    tracing::warn!(shard = self.name, %error, "no checkpoint could be started");
                }
            }
        }
    }

    fn checkpoint_is_due(&self) -> bool {
        let (bytes, entries) = self.progress.since_checkpoint();
        let grown = self.shard.growing_bytes() >= self.shard.options().seal_bytes;
        // One that failed covered entries too, and writes may be waiting for it to succeed.
        let covers_any = entries > 0 || self.progress.trouble().is_some();
        covers_any && (grown || bytes >= LOG_BYTES || entries >= LOG_ENTRIES)
    }

    /// A leader that stopped between its election and its first entry leads again after a restart,
    /// but can commit nothing before it has an entry of its own term.
    fn is_election_unfinished(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let leader = metrics.vote.leader_id;
        let has_own_entry = metrics.last_applied.is_some_and(|applied| {
            (applied.leader_id.term, applied.leader_id.node_id) == (leader.term, leader.node_id)
        });
        metrics.state == ServerState::Leader && metrics.vote.is_committed() && !has_own_entry
    }

    async fn finish_election(&self) {
        // Nobody waits for the outcome; without a majority it may be long in coming.
        if let Err(error) = self.raft.client_write_ff(ShardCommand::default()).await {
            tracing::warn!(shard = self.name, %error, "an election could not be finished");
        }
    }

    /// Purges the entries that a checkpoint covers and that no follower is likely to need.
    async fn shorten_log(&self) {
        let due = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let covered = metrics.snapshot.map(|snapshot| snapshot.index);
            let purged = metrics.purged.map(|purged| purged.index);
            self.progress
                .dispensable()
                .zip(covered)
                .map(|(dispensable, covered)| dispensable.min(covered))
                .filter(|upto| purged.is_none_or(|purged| purged < *upto))
        };
        let Some(upto) = due else {
            return;
        };
        if let Err(error) = self.raft.trigger().purge_log(upto).await {
            tracing::warn!(shard = self.name, %error, "the log could not be purged");
            return;
        }
        let engine = self.engine.clone();
        let reclaimed = tokio::task::spawn_blocking(move || engine.reclaim()).await;
        if let Ok(Err(error)) = reclaimed {
            tracing::warn!(shard = self.name, %error, "the log's space was not reclaimed");
        }
    }

    /// Compacts step by step, so that a checkpoint gets its turn in between.
    fn compact(&self) -> JoinHandle<()> {
        let shard = self.shard.clone();
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || {
            loop {
                match shard.compact() {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        tracing::warn!(shard = name, %error, "segments could not be compacted");
                        return;
                    }
                }
            }
        })
    }
}
