//! Turns the batches written to one shard into log entries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{Raft, ServerState};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use vectra_store::Shard;

use super::following::Following;
use super::growing_budget::GrowingBudget;
use crate::machine::{BatchRefusal, Progress, ShardCommand, ShardConfig, ShardOutcome};
use crate::{NotLeader, WriteError};

/// The largest batch that [`super::ShardGroup::write`] takes, encoded.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// Batches that wait share an entry up to this many bytes.
const ENTRY_BYTES: usize = 2 << 20;
const ENTRY_BATCHES: usize = 256;
/// Entries on their way at the same time; while they are, further batches gather.
const ENTRIES_IN_FLIGHT: usize = 2;
/// Batches that may wait before further writers do.
const QUEUE: usize = 256;
/// A batch that no majority has agreed on for so long is given up as unknown.
const PATIENCE: Duration = Duration::from_secs(30);
/// One that a former leader has not heard of for so long after it led, likewise.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Rows that no checkpoint has written yet may take this many times `seal_bytes`.
const GROWTH: u64 = 4;

/// Hands batches to the task that proposes them.
#[derive(Clone)]
pub(super) struct Proposer {
    queue: mpsc::Sender<Waiting>,
    in_flight: Arc<Semaphore>,
}

struct Waiting {
    batch: Bytes,
    answer: oneshot::Sender<Result<u64, WriteError>>,
}

impl Proposer {
    /// Starts the task; it ends with the last handle.
    pub(super) fn start(
        raft: Raft<ShardConfig>,
        shard: Arc<Shard>,
        progress: Arc<Progress>,
        growing: GrowingBudget,
        following: Following,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let in_flight = Arc::new(Semaphore::new(ENTRIES_IN_FLIGHT));
        let target = Target { raft, following };
        let running = propose_all(target, shard, progress, growing, waiting, in_flight.clone());
        tokio::spawn(running);
        Self { queue, in_flight }
    }

    /// Waits until nothing is on its way, and lets further batches wait until the guard is
    /// dropped. `None` if that takes too long.
    pub(super) async fn pause(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let all = ENTRIES_IN_FLIGHT as u32;
        let paused = self.in_flight.clone().acquire_many_owned(all);
        tokio::time::timeout(patience, paused).await.ok()?.ok()
    }

    pub(super) async fn write(&self, batch: Bytes) -> Result<u64, WriteError> {
        if batch.len() > MAX_BATCH_BYTES {
            let reason = format!(
                "a batch may have {MAX_BATCH_BYTES} bytes, this one has {}: send it in parts",
                batch.len()
            );
            return Err(WriteError::Refused { reason });
        }
        let (answer, written) = oneshot::channel();
        if self.queue.send(Waiting { batch, answer }).await.is_err() {
            return Err(not_proposed("this replica has stopped"));
        }
        match written.await {
            Ok(result) => result,
            Err(_) => {
                let reason = "this replica stopped while the write was under way".to_owned();
                Err(WriteError::Unknown { reason })
            }
        }
    }
}

/// Where batches are proposed.
#[derive(Clone)]
struct Target {
    raft: Raft<ShardConfig>,
    following: Following,
}

async fn propose_all(
    target: Target,
    shard: Arc<Shard>,
    progress: Arc<Progress>,
    growing: GrowingBudget,
    mut queue: mpsc::Receiver<Waiting>,
    in_flight: Arc<Semaphore>,
) {
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(waiting) => Some(waiting),
            None => queue.recv().await,
        }) else {
            return;
        };
        if let Err(refusal) = wait_for_room(&shard, &progress, &growing).await {
            // A writer that no longer waits has gone.
            let _ = first.answer.send(Err(refusal));
            continue;
        }
        let Ok(permit) = in_flight.clone().acquire_owned().await else {
            return;
        };

        let mut bytes = first.batch.len();
        let mut batches = vec![first];
        while batches.len() < ENTRY_BATCHES
            && let Ok(waiting) = queue.try_recv()
        {
            if bytes + waiting.batch.len() > ENTRY_BYTES {
                next = Some(waiting);
                break;
            }
            bytes += waiting.batch.len();
            batches.push(waiting);
        }

        let target = target.clone();
        let progress = progress.clone();
        tokio::spawn(async move {
            propose(&target, &progress, batches).await;
            drop(permit);
        });
    }
}

/// Rows grow in memory until a checkpoint is written: not without bound. Returns why not if there
/// is no room for too long.
async fn wait_for_room(
    shard: &Shard,
    progress: &Progress,
    growing: &GrowingBudget,
) -> Result<(), WriteError> {
    let limit = GROWTH * shard.options().seal_bytes;
    let until = tokio::time::Instant::now() + PATIENCE;
    while shard.growing_bytes() > limit || !growing.has_room() {
        if tokio::time::Instant::now() >= until {
            let trouble = progress
                .trouble()
                .unwrap_or_else(|| "the disk is too slow".to_owned());
            let reason = format!("checkpoints do not keep up with the writes: {trouble}");
            return Err(WriteError::Refused { reason });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn propose(target: &Target, progress: &Progress, waiting: Vec<Waiting>) {
    let Target { raft, following } = target;
    let (batches, answers): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .map(|waiting| (waiting.batch, waiting.answer))
        .unzip();
    let command = ShardCommand::new(batches);
    let proposed = command.proposed.clone();

    let began = Instant::now();
    let written = async {
        tokio::select! {
            written = tokio::time::timeout(PATIENCE, raft.client_write(command)) => written.ok(),
            () = leadership_is_gone(raft) => None,
            () = following.lost(raft, began) => None,
        }
    };
    let result = match written.await {
        Some(Ok(written)) => Ok(written.data),
        // Raft says "not leader" also of an entry that it had in its log and replaced since.
        Some(Err(error)) if !proposed.is_set() => Err(refusal(&error)),
        Some(Err(error)) => Err(WriteError::Unknown {
            reason: format!("the write was proposed and then lost sight of: {error}"),
        }),
        None => Err(WriteError::Unknown {
            reason: "the write was proposed, but no majority of the replicas has agreed in time"
                .to_owned(),
        }),
    };
    for (position, answer) in answers.into_iter().enumerate() {
        // A writer that no longer waits has gone; its batch is proposed all the same.
        let _ = answer.send(outcome_of(&result, position, progress));
    }
}

/// Returns once this replica has led no more for a while. What it proposed before may be applied
/// or replaced by then; if neither has happened, it is anyone's guess for how long.
async fn leadership_is_gone(raft: &Raft<ShardConfig>) {
    let mut metrics = raft.metrics();
    loop {
        if metrics
            .wait_for(|metrics| metrics.state != ServerState::Leader)
            .await
            .is_err()
        {
            return;
        }
        let leads_again = metrics.wait_for(|metrics| metrics.state == ServerState::Leader);
        if tokio::time::timeout(AFTERMATH, leads_again).await.is_err() {
            return;
        }
    }
}

fn outcome_of(
    result: &Result<ShardOutcome, WriteError>,
    batch: usize,
    progress: &Progress,
) -> Result<u64, WriteError> {
    match result.as_ref().map(|outcome| outcome.batches.get(batch)) {
        Ok(Some(Ok(existed))) => Ok(*existed),
        Ok(Some(Err(BatchRefusal::Bad(reason)))) => Err(WriteError::Refused {
            reason: reason.clone(),
        }),
        Ok(Some(Err(BatchRefusal::Elsewhere))) => Err(WriteError::Elsewhere {
            children: progress.children(),
        }),
        Ok(None) => {
            let reason = "the entry was applied without saying what became of it".to_owned();
            Err(WriteError::Unknown { reason })
        }
        Err(error) => Err(error.clone()),
    }
}

fn refusal(
    error: &RaftError<crate::NodeId, ClientWriteError<crate::NodeId, openraft::BasicNode>>,
) -> WriteError {
    let leader = match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => forward.leader_id,
        RaftError::APIError(_) | RaftError::Fatal(_) => None,
    };
    NotLeader {
        leader,
        reason: format!("this replica does not lead: {error}"),
    }
    .into()
}

fn not_proposed(reason: &str) -> WriteError {
    NotLeader {
        leader: None,
        reason: reason.to_owned(),
    }
    .into()
}
