//! Keeps one shard's group in order: checkpoints, a short log, compaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Raft, ServerState};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vectra_store::Shard;

use super::growing_budget::GrowingShare;
use crate::log::GroupLog;
use crate::machine::{Progress, ShardCommand, ShardConfig};
use crate::network::Transfers;
use crate::{LogEngine, NodeId, PlacementMap};

/// A checkpoint is due after this much log, also if the rows it left are few.
const LOG_BYTES: u64 = 64 << 20;
const LOG_ENTRIES: u64 = 100_000;
/// Most bytes of float32 rows that a step of the compaction after a start writes: as many as two
/// full checkpoints left. It takes twice and a quarter of it in memory, so that a start needs no more
/// than the searches after it. What is larger waits for the run's first checkpoint; until then,
/// searches scan a few segments more.
const COMPACTED_AT_START: u64 = 36 << 20;
/// How often to look, also if nothing seems to happen.
const PERIOD: Duration = Duration::from_secs(1);
/// Raft may not follow a request for a checkpoint, and a checkpoint may fail: then it is tried
/// again after this long.
const RETRY: Duration = Duration::from_secs(2);
/// Growing rows of less than this share of `seal_bytes` are not worth a segment of their own.
const WORTH_A_SEGMENT: u64 = 256;

/// Whether the growing rows take enough memory to be sealed although nothing else calls for it.
pub(super) fn is_worth_a_segment(shard: &Shard) -> bool {
    let growing = shard.growing_bytes();
    growing > 0 && growing >= shard.options().seal_bytes / WORTH_A_SEGMENT
}

/// Segments are merged once nothing was written for so long. While rows come, each segment would be
/// merged several times over, and take cores and disk from the writes and the searches.
const COMPACT_AFTER: Duration = Duration::from_secs(1);
/// A shard with so many segments merges them all the same: each costs every search.
const MANY_SEGMENTS: usize = 12;

/// A member that has come no further for so long is not waited for.
const CATCHING_UP: Duration = Duration::from_secs(30);

pub(super) struct Keeper {
    pub(super) raft: Raft<ShardConfig>,
    pub(super) shard: Arc<Shard>,
    pub(super) progress: Arc<Progress>,
    pub(super) engine: LogEngine,
    pub(super) transfers: Transfers,
    pub(super) log: GroupLog<ShardConfig>,
    pub(super) maps: watch::Receiver<Arc<PlacementMap>>,
    pub(super) growing: GrowingShare,
    pub(super) name: String,
}

/// How far a member has come, and since when.
type Reached = HashMap<NodeId, (Option<u64>, Instant)>;

impl Keeper {
    /// Runs until the group stops.
    pub(super) async fn run(self) {
        // None yet: what the run before left is compacted too, as far as that takes little memory.
        let mut compacted_at: Option<u64> = None;
        let mut requested: Option<Instant> = None;
        let mut shortened = Instant::now();
        let mut compaction: Option<JoinHandle<()>> = None;
        let mut unfinished_since: Option<Instant> = None;
        let mut reached = Reached::new();
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
                self.shorten_log(&mut reached).await;
                if self.progress.quiet_for() >= PERIOD {
                    self.log.forget_applied(self.progress.applied());
                }
                shortened = Instant::now();
            }

            let is_compacting = compaction
                .as_ref()
                .is_some_and(|running| !running.is_finished());
            let checkpoints = self.progress.checkpoints();
            if compacted_at != Some(checkpoints) && !is_compacting && self.compaction_is_due() {
                let most_bytes = match checkpoints {
                    0 => COMPACTED_AT_START,
                    _ => u64::MAX,
                };
                compacted_at = Some(checkpoints);
                compaction = Some(self.compact(most_bytes));
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
        let options = self.shard.options();
        let grown = self.shard.growing_bytes() >= options.seal_bytes || self.growing.is_over();
        let is_quiet =
            self.progress.quiet_for() >= options.seal_after && is_worth_a_segment(&self.shard);
        // One that failed covered entries too, and writes may be waiting for it to succeed.
        let covers_any = entries > 0 || self.progress.trouble().is_some();
        // A replay of the split would read all ids again, and so would a copy made from before it.
        let has_split = self.progress.has_unsealed_split();
        let is_long = bytes >= LOG_BYTES || entries >= LOG_ENTRIES;
        covers_any && (grown || is_quiet || is_long || has_split)
    }

    fn compaction_is_due(&self) -> bool {
        self.progress.quiet_for() >= COMPACT_AFTER || self.shard.segments() >= MANY_SEGMENTS
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
    async fn shorten_log(&self, reached: &mut Reached) {
        let needed = self
            .needed_by_others(reached)
            .min(self.needed_by_children());
        let due = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let covered = metrics.snapshot.map(|snapshot| snapshot.index);
            let nodes = metrics.membership_config.nodes().count();
            let purged = metrics.purged.map(|purged| purged.index);
            // A replica that is the only one has no followers that lag.
            let dispensable = if nodes == 1 {
                covered
            } else {
                self.progress.dispensable()
            };
            dispensable
                .zip(covered)
                .map(|(dispensable, covered)| dispensable.min(covered).min(needed))
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
        let workers = self.engine.workers();
        let reclaimed = workers.run("reclaim", move || engine.reclaim()).await;
        if let Ok(Err(error)) = reclaimed {
            tracing::warn!(shard = self.name, %error, "the log's space was not reclaimed");
        }
    }

    /// The last entry before the split under way, if there is one. A member that jumped over the entry
    /// would not make the child's copy; until a majority of the child's group holds its rows, which the
    /// map then tells, every one is needed.
    fn needed_by_children(&self) -> u64 {
        let map = self.maps.borrow();
        let is_open = |child| !map.shards.contains_key(&child);
        let split = self.progress.first_split(is_open);
        split.map_or(u64::MAX, |index| index.saturating_sub(1))
    }

    /// The last entry that no member on its way needs: one that is being sent a snapshot needs
    /// those after it, and one that gets entries all that it has not, or live writes could purge
    /// them faster than it catches up.
    fn needed_by_others(&self, reached: &mut Reached) -> u64 {
        let replication = self.raft.metrics().borrow().replication.clone();
        let replication = replication.unwrap_or_default();
        reached.retain(|node, _| replication.contains_key(node));
        let mut needed = u64::MAX;
        for (node, matched) in replication {
            let index = matched.map(|matched| matched.index);
            let last = reached.entry(node).or_insert((index, Instant::now()));
            if last.0 != index {
                *last = (index, Instant::now());
            }
            let transfer = self.transfers.get(node);
            match transfer {
                Some(transfer) if transfer.is_running => {
                    needed = needed.min(transfer.covers.unwrap_or(0));
                }
                _ if last.1.elapsed() < CATCHING_UP => {
                    let has = index.max(transfer.and_then(|transfer| transfer.covers));
                    // One that has nothing yet will be sent a snapshot, whatever is purged.
                    needed = has.map_or(needed, |has| needed.min(has));
                }
                _ => {}
            }
        }
        needed
    }

    /// Compacts step by step, so that a checkpoint gets its turn in between.
    fn compact(&self, most_bytes: u64) -> JoinHandle<()> {
        let shard = self.shard.clone();
        let name = self.name.clone();
        let progress = self.progress.clone();
        let unfinished = progress.unfinished().clone();
        let workers = self.engine.workers().clone();
        tokio::spawn(async move {
            let step_by_step = move || {
                while !progress.is_stopping() {
                    let compacted = shard.compact(most_bytes);
                    if !compacted.map_err(|error| error.to_string())? {
                        break;
                    }
                }
                Ok(())
            };
            let compacted = workers
                .run_in_background("compact", &unfinished, step_by_step)
                .await
                .flatten();
            if let Err(error) = compacted {
                tracing::warn!(shard = name, %error, "segments could not be compacted");
            }
        })
    }
}
