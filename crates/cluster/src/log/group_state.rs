//! What the log of one group holds, queued writes included.

use openraft::{LogId, Vote};

use super::GroupConfig;
use super::cache::Cache;
use super::record;
use super::writer::Change;
use crate::NodeId;

/// What the log holds, queued writes included.
pub(super) struct GroupState<C: GroupConfig> {
    pub(super) vote: Option<Vote<NodeId>>,
    pub(super) committed: Option<LogId<NodeId>>,
    /// Whether `committed` has changed since it was last written.
    pub(super) committed_unwritten: bool,
    pub(super) purged: Option<LogId<NodeId>>,
    /// Where this node had left the group when its copy was dropped.
    pub(super) left: Option<LogId<NodeId>>,
    /// The last entry; `None` if there is none.
    pub(super) last: Option<LogId<NodeId>>,
    /// Whether the engine holds entries past the end of the log, and a record says so.
    pub(super) cut: bool,
    pub(super) cache: Cache<C>,
    /// Counts the writes of entries: queued, and done.
    pub(super) queued: u64,
    pub(super) written: u64,
}

impl<C: GroupConfig> GroupState<C> {
    pub(super) fn empty() -> Self {
        Self {
            vote: None,
            committed: None,
            committed_unwritten: false,
            purged: None,
            left: None,
            last: None,
            cut: false,
            cache: Cache::default(),
            queued: 0,
            written: 0,
        }
    }

    pub(super) fn take_committed(&mut self) -> Option<Change> {
        if !std::mem::take(&mut self.committed_unwritten) {
            return None;
        }
        Some(match &self.committed {
            Some(committed) => Change::Put(record::COMMITTED, record::encode_log_id(committed)),
            None => Change::Delete(record::COMMITTED),
        })
    }

    /// Whether an entry of this index may follow what is there.
    pub(super) fn check_next(&self, index: u64) -> Result<(), String> {
        let expected = self.last.or(self.purged).map(|last| last.index + 1);
        match (self.last, expected) {
            (Some(last), _) if index > last.index + 1 => Err(format!(
                "entry {index} would leave a hole after entry {}",
                last.index
            )),
            (_, Some(expected)) if index < expected => Err(format!(
                "entry {index} is in the log already, which ends before {expected}"
            )),
            _ => Ok(()),
        }
    }
}
