//! One shard's group.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::{Raft, ServerState};
use tokio::task::AbortHandle;
use vectra_store::{Shard, SnapshotReceiver, StoreError};

use super::Candidacy;
use super::following::Following;
use super::freshness::Freshness;
use super::handover::TakingOver;
use super::members::catch_ups;
use super::proposer::Proposer;
use super::read_rounds::ReadRounds;
use super::status_of;
use crate::log::{AtOpen, GroupLog};
use crate::machine::{Progress, ShardConfig, ShardMachine};
use crate::network::{Lease, Transfers};
use crate::{
    CatchUp, GroupStatus, NodeId, NotLeader, RaftTiming, ReplicaDigest, ShardId, Workers,
    WriteError,
};

/// This node's replica of one shard.
#[derive(Clone)]
pub struct ShardGroup {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) node: NodeId,
    pub(super) raft: Raft<ShardConfig>,
    pub(super) shard: Arc<Shard>,
    pub(super) log: GroupLog<ShardConfig>,
    pub(super) lease: Lease,
    pub(super) following: Following,
    pub(super) freshness: Freshness,
    pub(super) confirmations: ReadRounds<Result<(), &'static str>>,
    pub(super) transfers: Transfers,
    pub(super) candidacy: Candidacy<ShardConfig>,
    pub(super) taking_over: TakingOver,
    /// The latest version of the map that asks for the members that the group has.
    pub(super) settled: Arc<AtomicU64>,
    pub(super) progress: Arc<Progress>,
    pub(super) machine: ShardMachine,
    pub(super) timing: RaftTiming,
    pub(super) proposer: Proposer,
    pub(super) at_open: AtOpen,
    pub(super) tasks: Vec<AbortHandle>,
    /// One snapshot is received at a time; what has come of one that was interrupted.
    pub(super) receiving: Receiving,
}

/// What was proposed before a stop may take so long to be agreed on.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// A snapshot that has come in part, if there is one.
pub(crate) type Receiving = Arc<tokio::sync::Mutex<Option<PartialSnapshot>>>;

/// What has come of a snapshot so far.
pub(crate) struct PartialSnapshot {
    /// The metadata and the manifest's checksum of the snapshot.
    pub(crate) of: (Bytes, u32),
    pub(crate) receiver: SnapshotReceiver,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl ShardGroup {
    /// Proposes an encoded [`vectra_store::WriteBatch`] of up to [`crate::MAX_BATCH_BYTES`]. When
    /// it returns, the batch is on stable storage on a majority of the replicas and applied here.
    /// Says how many of its ids existed.
    pub async fn write(&self, batch: Bytes) -> Result<u64, WriteError> {
        let elsewhere = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow();
            if metrics.state != ServerState::Leader {
                Some((
                    metrics.current_leader,
                    "this replica does not lead its shard",
                ))
            } else if self.inner.following.is_lost(&metrics) {
                Some((
                    None,
                    "no majority of the replicas follows this one any more",
                ))
            } else {
                None
            }
        };
        if let Some((leader, reason)) = elsewhere {
            let reason = reason.to_owned();
            return Err(NotLeader { leader, reason }.into());
        }
        self.inner.proposer.write(batch).await
    }

    /// The group as seen from here.
    pub fn status(&self) -> GroupStatus {
        let status = status_of(&self.inner.raft);
        let fault = status.fault.or_else(|| self.inner.progress.trouble());
        GroupStatus { fault, ..status }
    }

    /// How the members that lack something get on, as their leader knows; nobody else does.
    pub fn catch_ups(&self) -> Vec<CatchUp> {
        catch_ups(&self.inner.raft.metrics().borrow(), &self.inner.transfers)
    }

    /// What this replica holds, to be compared with another one. Reads every row from disk.
    ///
    /// # Errors
    ///
    /// If rows cannot be read.
    pub async fn digest(&self) -> Result<ReplicaDigest, StoreError> {
        let machine = self.inner.machine.clone();
        let digested = tokio::task::spawn_blocking(move || {
            let (entries, view) = machine.view_as_of();
            Ok(ReplicaDigest {
                entries,
                rows: view.live_rows(),
                digest: view.digest()?,
            })
        });
        match digested.await {
            Ok(digest) => digest,
            Err(fault) => std::panic::resume_unwind(fault.into_panic()),
        }
    }

    /// From the leader: the latest version of the placement map that asks for exactly the members
    /// that the group has; 0 for none.
    pub fn settled(&self) -> u64 {
        self.inner.settled.load(Ordering::Acquire)
    }

    /// How many shards have split off from this one, as this replica knows.
    pub fn splits(&self) -> u32 {
        u32::try_from(self.inner.progress.children().len()).unwrap_or(u32::MAX)
    }

    /// Whether this replica knows that `child` has split off.
    pub(super) fn has_child(&self, child: ShardId) -> bool {
        let children = self.inner.progress.children();
        children.iter().any(|known| known.shard == child)
    }

    /// Index of the last entry that is in the log no more, because a checkpoint covers it.
    pub fn purged(&self) -> Option<u64> {
        self.inner
            .raft
            .metrics()
            .borrow()
            .purged
            .map(|purged| purged.index)
    }

    /// The replica's bytes.
    pub fn shard(&self) -> &Arc<Shard> {
        &self.inner.shard
    }

    pub(crate) fn raft(&self) -> &Raft<ShardConfig> {
        &self.inner.raft
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.inner.lease
    }

    pub(crate) fn freshness(&self) -> &Freshness {
        &self.inner.freshness
    }

    pub(crate) fn candidacy(&self) -> &Candidacy<ShardConfig> {
        &self.inner.candidacy
    }

    pub(crate) fn taking_over(&self) -> &TakingOver {
        &self.inner.taking_over
    }

    pub(crate) fn node(&self) -> NodeId {
        self.inner.node
    }

    pub(crate) fn workers(&self) -> &Workers {
        self.inner.machine.workers()
    }

    pub(crate) fn receiving(&self) -> &Receiving {
        &self.inner.receiving
    }

    pub(super) async fn shutdown(&self) {
        self.inner.settled.store(0, Ordering::Release);
        self.inner.progress.stop();
        for task in &self.inner.tasks {
            task.abort();
        }
        // What is on its way comes to its end; what still waits is refused, not lost sight of.
        let paused = self.inner.proposer.pause(LAST_WRITES).await;
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "a shard's group did not stop in order");
        }
        drop(paused);
        // A step of compaction takes a second or two; whoever opens the shard again must not meet it.
        self.inner.progress.unfinished().ended().await;
        if let Err(error) = self.inner.log.flush().await {
            tracing::warn!(%error, "a shard's log was not flushed");
        }
    }

    /// Seals what is in memory only. Once the group has stopped.
    pub(super) async fn last_checkpoint(&self) -> Result<(), String> {
        let machine = self.inner.machine.clone();
        if !machine.is_ahead_of_checkpoint() {
            return Ok(());
        }
        (self.inner.machine.workers())
            .run("seal", move || machine.checkpoint())
            .await?
    }
}
