//! Snapshots on their way from this node's member of a group.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::NodeId;

/// The last snapshot sent to each member. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Transfers {
    by_node: Arc<Mutex<HashMap<NodeId, Transfer>>>,
}

/// One snapshot on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    /// Bytes that are there.
    pub(crate) sent: u64,
    /// Bytes in all.
    pub(crate) total: u64,
    /// The last entry that it covers; those after it will be needed.
    pub(crate) covers: Option<u64>,
    /// When it began, and how many bytes were there already.
    began: (Instant, u64),
    /// Whether it is still being sent.
    pub(crate) is_running: bool,
}

impl Transfer {
    /// Bytes a second so far.
    pub(crate) fn rate(&self) -> u64 {
        let (at, already) = self.began;
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        (self.sent.saturating_sub(already) as f64 / seconds) as u64
    }
}

impl Transfers {
    fn by_node(&self) -> MutexGuard<'_, HashMap<NodeId, Transfer>> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, node: NodeId, total: u64, covers: Option<u64>) {
        let transfer = Transfer {
            sent: 0,
            total,
            covers,
            began: (Instant::now(), 0),
            is_running: true,
        };
        self.by_node().insert(node, transfer);
    }

    pub(crate) fn sent(&self, node: NodeId, bytes: u64) {
        if let Some(transfer) = self.by_node().get_mut(&node) {
            transfer.sent += bytes;
        }
    }

    /// The receiver has these bytes from an attempt before.
    pub(crate) fn skipped(&self, node: NodeId, bytes: u64) {
        if let Some(transfer) = self.by_node().get_mut(&node) {
            transfer.sent += bytes;
            transfer.began.1 += bytes;
        }
    }

    pub(crate) fn end(&self, node: NodeId) {
        if let Some(transfer) = self.by_node().get_mut(&node) {
            transfer.is_running = false;
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<Transfer> {
        self.by_node().get(&node).copied()
    }
}
