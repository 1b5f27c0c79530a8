//! How far a state machine has come.

use openraft::{BasicNode, LogId, SnapshotMeta, StoredMembership};
use serde::{Deserialize, Serialize};

use crate::NodeId;
use crate::placement::{Child, HashRange};

/// The last entry applied, the last membership and what came of splits, as kept with every
/// checkpoint (as JSON).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) last: Option<LogId<NodeId>>,
    pub(crate) membership: StoredMembership<NodeId, BasicNode>,
    /// The ids that belong here, by their hashes; `None` for all that are sent here, as long as the
    /// shard has neither split nor come of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<HashRange>,
    /// The splits so far, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) splits: Vec<AppliedSplit>,
}

/// A split as it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppliedSplit {
    /// The index of its entry.
    pub(crate) index: u64,
    pub(crate) child: Child,
}

/// What is known of a shard with a range of its own. A program from before there were splits finds
/// no membership in it, and does not go on with rows that are elsewhere.
#[derive(Deserialize)]
struct Ranged {
    ranged: Applied,
}

#[derive(Serialize)]
struct RangedRef<'a> {
    ranged: &'a Applied,
}

impl Applied {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let encoded = match self.range {
            Some(_) => serde_json::to_vec(&RangedRef { ranged: self }),
            None => serde_json::to_vec(self),
        };
        encoded.map_err(|error| format!("cannot write a raft position: {error}"))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        if let Ok(Ranged { ranged }) = serde_json::from_slice(bytes) {
            return Ok(ranged);
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_there_were_splits_is_read_and_written_the_same() {
        let membership = r#"{"log_id":null,"membership":{"configs":[],"nodes":{}}}"#;
        let old = format!(r#"{{"last":null,"membership":{membership}}}"#);
        let read = Applied::decode(old.as_bytes()).unwrap();
        assert_eq!(read, Applied::default());
        assert_eq!(read.encode().unwrap(), old.as_bytes());
    }

    #[test]
    fn a_range_is_kept_and_a_program_that_knows_none_refuses_it() {
        #[derive(Deserialize)]
        struct Before {
            #[serde(rename = "membership")]
            _membership: StoredMembership<NodeId, BasicNode>,
        }
        let range = |first, last| HashRange { first, last };
        let applied = Applied {
            range: Some(range(1 << 63, u64::MAX - 10)),
            splits: vec![AppliedSplit {
                index: 7,
                child: Child {
                    shard: 3,
                    range: range(u64::MAX - 9, u64::MAX),
                },
            }],
            ..Applied::default()
        };
        let encoded = applied.encode().unwrap();
        assert_eq!(Applied::decode(&encoded), Ok(applied));
        assert!(serde_json::from_slice::<Before>(&encoded).is_err());
    }
}
