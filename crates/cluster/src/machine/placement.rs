//! The placement map as raft sees it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use tokio::sync::watch;

use super::placement_file::PlacementCheckpoint;
use crate::directory::create_directory;
use crate::log::Command;
use crate::network::SnapshotSource;
use crate::{ClusterError, Network, NodeId, PlacementCommand, PlacementMap, PlacementOutcome};

openraft::declare_raft_types!(
    /// The raft group of the placement.
    pub(crate) PlacementConfig:
        D = PlacementCommand,
        R = Option<PlacementOutcome>,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<PlacementConfig>,
        SnapshotData = PlacementSnapshot,
        Responder = openraft::impls::OneshotResponder<PlacementConfig>,
        AsyncRuntime = crate::runtime::Runtime,
);

impl Command for PlacementCommand {
    fn encode(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        // Strings and numbers always become JSON; were it not so, decoding refuses what is there.
        head.extend(serde_json::to_vec(self).unwrap_or_default());
        Vec::new()
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        serde_json::from_slice(&bytes).map_err(|error| format!("no placement command: {error}"))
    }
}

/// A checkpoint file's content.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlacementSnapshot(pub(crate) Bytes);

impl SnapshotSource for PlacementSnapshot {
    fn files(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    fn read_at(&self, _file: usize, _offset: u64, _buffer: &mut [u8]) -> Result<(), String> {
        Err("a placement has no files".to_owned())
    }

    fn manifest(&self) -> Result<Bytes, String> {
        Ok(self.0.clone())
    }
}

/// Applies the placement's commands and publishes the map.
#[derive(Clone)]
pub(crate) struct PlacementMachine {
    directory: PathBuf,
    network: Network,
    published: watch::Sender<Arc<PlacementMap>>,
    state: Arc<Mutex<State>>,
}

struct State {
    /// The state now.
    current: PlacementCheckpoint,
    /// The state on disk.
    stored: Option<PlacementCheckpoint>,
}

impl PlacementMachine {
    /// The machine as far as the checkpoint in `directory` goes.
    pub(crate) fn open(directory: PathBuf, network: Network) -> Result<Self, ClusterError> {
        let storage_error = |(path, reason)| ClusterError::Storage { path, reason };
        create_directory(&directory)
            .map_err(|error| storage_error((directory.clone(), error.to_string())))?;
        let stored = PlacementCheckpoint::load(&directory).map_err(storage_error)?;
        let current = stored.clone().unwrap_or_default();
        learn_addresses(&network, &current.map);
        let (published, _) = watch::channel(Arc::new(current.map.clone()));
        let state = Arc::new(Mutex::new(State { current, stored }));
        Ok(Self {
            directory,
            network,
            published,
            state,
        })
    }

    /// The last entry applied.
    pub(crate) fn last_applied(&self) -> Option<LogId<NodeId>> {
        self.state().current.applied.last
    }

    pub(crate) fn map(&self) -> watch::Receiver<Arc<PlacementMap>> {
        self.published.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, map: &PlacementMap) {
        if self.published.borrow().version == map.version {
            return;
        }
        learn_addresses(&self.network, map);
        self.published.send_replace(Arc::new(map.clone()));
    }
}

/// Where a node said last that it is reached is where it is.
fn learn_addresses(network: &Network, map: &PlacementMap) {
    for (node, coordinator) in &map.coordinators {
        network.set_address(*node, &coordinator.grpc);
    }
    for (node, shard_node) in &map.nodes {
        network.set_address(*node, &shard_node.grpc);
    }
}

fn snapshot_of(
    checkpoint: &PlacementCheckpoint,
) -> Result<Snapshot<PlacementConfig>, StorageError<NodeId>> {
    let bytes = checkpoint
        .encode()
        .map_err(|reason| StorageIOError::read_snapshot(None, AnyError::error(reason)))?;
    Ok(Snapshot {
        meta: checkpoint.applied.snapshot_meta(),
        snapshot: Box::new(PlacementSnapshot(bytes.into())),
    })
}

impl RaftStateMachine<PlacementConfig> for PlacementMachine {
    type SnapshotBuilder = PlacementCheckpointing;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, BasicNode>), StorageError<NodeId>>
    {
        let applied = self.state().current.applied.clone();
        Ok((applied.last, applied.membership))
    }

    async fn apply<I>(
        &mut self,
        entries: I,
    ) -> Result<Vec<Option<PlacementOutcome>>, StorageError<NodeId>>
    where
        I: IntoIterator<Item = Entry<PlacementConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state();
        let current = &mut state.current;
        let mut outcomes = Vec::new();
        for entry in entries {
            outcomes.push(match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(command) => Some(current.map.apply(&command)),
                EntryPayload::Membership(membership) => {
                    current.applied.membership =
                        StoredMembership::new(Some(entry.log_id), membership);
                    None
                }
            });
            current.applied.last = Some(entry.log_id);
        }
        self.publish(&current.map);
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> PlacementCheckpointing {
        let checkpoint = self.state().current.clone();
        PlacementCheckpointing {
            machine: self.clone(),
            checkpoint,
        }
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<PlacementSnapshot>, StorageError<NodeId>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, BasicNode>,
        snapshot: Box<PlacementSnapshot>,
    ) -> Result<(), StorageError<NodeId>> {
        let write_error = |reason: String| {
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::error(reason))
        };
        let checkpoint = PlacementCheckpoint::decode(&snapshot.0).map_err(write_error)?;
        checkpoint.store(&self.directory).map_err(write_error)?;
        let mut state = self.state();
        state.current = checkpoint.clone();
        state.stored = Some(checkpoint);
        self.publish(&state.current.map);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<PlacementConfig>>, StorageError<NodeId>> {
        self.state().stored.as_ref().map(snapshot_of).transpose()
    }
}

/// A checkpoint of the placement about to be written.
pub(crate) struct PlacementCheckpointing {
    machine: PlacementMachine,
    checkpoint: PlacementCheckpoint,
}

impl RaftSnapshotBuilder<PlacementConfig> for PlacementCheckpointing {
    async fn build_snapshot(&mut self) -> Result<Snapshot<PlacementConfig>, StorageError<NodeId>> {
        let mut state = self.machine.state();
        let stored = state.stored.as_ref().and_then(|stored| stored.applied.last);
        if self.checkpoint.applied.last >= stored {
            self.checkpoint
                .store(&self.machine.directory)
                .map_err(|reason| StorageIOError::write_snapshot(None, AnyError::error(reason)))?;
            state.stored = Some(self.checkpoint.clone());
        }
        snapshot_of(state.stored.as_ref().unwrap_or(&self.checkpoint))
    }
}
