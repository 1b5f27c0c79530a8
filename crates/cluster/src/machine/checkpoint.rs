//! A checkpoint of a shard, written while the group goes on.

use std::sync::atomic::Ordering;

use openraft::{
    AnyError, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError, StorageIOError,
};
use vectra_store::{Frozen, StoreError};

use super::{ShardConfig, ShardMachine, ShardSnapshot};
use crate::NodeId;

/// A checkpoint about to be written.
pub(crate) struct Checkpoint {
    machine: ShardMachine,
    frozen: Option<Result<Frozen, String>>,
}

impl Checkpoint {
    pub(super) fn new(machine: ShardMachine, frozen: Result<Frozen, String>) -> Self {
        let frozen = Some(frozen);
        Self { machine, frozen }
    }
}

impl RaftSnapshotBuilder<ShardConfig> for Checkpoint {
    async fn build_snapshot(&mut self) -> Result<Snapshot<ShardConfig>, StorageError<NodeId>> {
        let frozen = self.frozen.take();
        let machine = self.machine.clone();
        let unfinished = machine.progress.unfinished().clone();
        let seal = move || match frozen {
            Some(Ok(frozen)) => match machine.shard.seal(frozen) {
                // A snapshot was installed meanwhile: it is the later checkpoint.
                Ok(()) | Err(StoreError::Overtaken) => {
                    machine.note_checkpoint();
                    Ok(())
                }
                // A full disk stops no searches: the rows are in memory and the entries in the
                // log, so the checkpoint before still holds, and another is tried soon.
                Err(error @ StoreError::Io { .. }) => {
                    tracing::error!(%error, "a checkpoint could not be written");
                    (machine.progress).set_trouble(Some(error.to_string()));
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Some(Err(reason)) => Err(reason),
            None => Err("a checkpoint is written only once".to_owned()),
        };
        let sealed = (self.machine.workers())
            .run_in_background("seal", &unfinished, seal)
            .await
            .flatten();
        self.machine
            .progress
            .sealing
            .store(false, Ordering::Release);
        self.machine.progress.changed.notify_one();
        sealed.map_err(|reason| StorageIOError::write_snapshot(None, AnyError::error(reason)))?;

        let none_yet = || Snapshot {
            meta: SnapshotMeta::default(),
            snapshot: Box::new(ShardSnapshot::Nothing),
        };
        Ok(self.machine.current_snapshot()?.unwrap_or_else(none_yet))
    }
}
