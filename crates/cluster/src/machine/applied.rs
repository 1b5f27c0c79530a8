//! How far a state machine has come.

use openraft::{BasicNode, LogId, SnapshotMeta, StoredMembership};
use serde::{Deserialize, Serialize};

use crate::NodeId;

/// The last entry applied and the last membership, as kept with every checkpoint (as JSON).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) last: Option<LogId<NodeId>>,
    pub(crate) membership: StoredMembership<NodeId, BasicNode>,
}

impl Applied {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| format!("cannot write a raft position: {error}"))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes)
            .map_err(|error| format!("the checkpoint's raft position is not readable: {error}"))
    }

    /// Equal states have equal ids, so a snapshot needs no other name.
    pub(crate) fn snapshot_meta(&self) -> SnapshotMeta<NodeId, BasicNode> {
        let snapshot_id = match &self.last {
            Some(last) => {
                format!(
                    "{}-{}-{}",
                    last.leader_id.term, last.leader_id.node_id, last.index
                )
            }
            None => "empty".to_owned(),
        };
        SnapshotMeta {
            last_log_id: self.last,
            last_membership: self.membership.clone(),
            snapshot_id,
        }
    }
}
