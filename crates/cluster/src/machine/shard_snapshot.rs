//! A shard's snapshot: its last checkpoint.

use bytes::Bytes;
use vectra_store::{ReceivedSnapshot, Snapshot};

use super::{ShardCommand, ShardOutcome};
use crate::network::SnapshotSource;

openraft::declare_raft_types!(
    /// The raft group of a shard.
    pub(crate) ShardConfig:
        D = ShardCommand,
        R = ShardOutcome,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<ShardConfig>,
        SnapshotData = ShardSnapshot,
        Responder = openraft::impls::OneshotResponder<ShardConfig>,
        AsyncRuntime = crate::runtime::Runtime,
);

/// A snapshot to send, or one received.
#[derive(Debug, Default)]
pub(crate) enum ShardSnapshot {
    /// The files are streamed straight to disk, outside of raft, so there is nothing to write to.
    #[default]
    Nothing,
    /// The last checkpoint of this node.
    Local(Snapshot),
    /// Another node's, already on this node's disk.
    Received(ReceivedSnapshot),
}

impl SnapshotSource for ShardSnapshot {
    fn files(&self) -> Vec<(String, u64)> {
        match self {
            Self::Local(snapshot) => snapshot
                .files()
                .iter()
                .map(|file| (file.name.clone(), file.len))
                .collect(),
            Self::Nothing | Self::Received(_) => Vec::new(),
        }
    }

    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        match self {
            Self::Local(snapshot) => snapshot
                .read_at(file, offset, buffer)
                .map_err(|error| error.to_string()),
            Self::Nothing | Self::Received(_) => Err("this snapshot has no files".to_owned()),
        }
    }

    fn manifest(&self) -> Result<Bytes, String> {
        match self {
            Self::Local(snapshot) => Ok(snapshot.manifest()),
            Self::Nothing | Self::Received(_) => Err("this is no snapshot to send".to_owned()),
        }
    }
}
