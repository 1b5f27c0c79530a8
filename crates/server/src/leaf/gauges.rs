//! What `GET /metrics` tells of this node's shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{describe_gauge, gauge};

use super::Leaf;

/// Counts the searches that this node's shards are asked for and have not answered.
#[derive(Clone, Default)]
pub(super) struct Searches(Arc<AtomicU64>);

/// One of them, until this is dropped.
pub(super) struct UnderWay(Arc<AtomicU64>);

impl Searches {
    pub(super) fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.0))
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Leaf {
    /// Sets the gauges of this node's shards.
    pub fn measure(&self) {
        let groups = self.groups.all();
        let led = groups.iter().filter(|(_, group)| group.status().is_leader);
        let led = led.count();
        let bytes = groups.iter().map(|(_, group)| group.shard().disk_bytes());
        let disk_bytes: u64 = bytes.sum();

        describe_gauge!("vectra_node_replicas", "Replicas served by this node.");
        gauge!("vectra_node_replicas").set(groups.len() as f64);
        describe_gauge!("vectra_node_leaders", "Shards led by this node.");
        gauge!("vectra_node_leaders").set(led as f64);
        describe_gauge!(
            "vectra_node_faults",
            "Replicas placed on this node that it cannot serve."
        );
        gauge!("vectra_node_faults").set(self.groups.faults().len() as f64);
        describe_gauge!("vectra_node_rows", "Vectors in this node's replicas.");
        gauge!("vectra_node_rows").set(self.rows() as f64);
        describe_gauge!(
            "vectra_node_memory_bytes",
            "Memory that this node's replicas take."
        );
        gauge!("vectra_node_memory_bytes").set(self.memory_bytes() as f64);
        describe_gauge!(
            "vectra_node_disk_bytes",
            "Files of this node's replicas, their log aside."
        );
        gauge!("vectra_node_disk_bytes").set(disk_bytes as f64);
        describe_gauge!(
            "vectra_node_searches",
            "Searches that this node's shards are asked for now."
        );
        gauge!("vectra_node_searches").set(self.searches.count() as f64);
    }
}
