//! What `GET /metrics` tells of this node's shards.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use tokio::time::Instant;

use super::Leaf;

/// Counts the searches that this node's shards are asked for and have not answered, and knows how long they take.
#[derive(Clone, Default)]
pub(super) struct Searches(Arc<Figures>);

#[derive(Default)]
struct Figures {
    under_way: AtomicU64,
    /// A mean of how long was scanned for the last ones, in microseconds.
    took: AtomicU64,
}

/// One of them, until this is dropped.
pub(super) struct UnderWay(Arc<Figures>);

/// Of so many searches that ended, the mean is taken; earlier ones count less and less.
const MEAN_OF: u64 = 8;

/// Leaders are asked how far they are no more often than in this part of the time that the scan for a search takes: waiting
/// for that makes none much longer, and the more a node has to do, the more of them share an answer. Where searches are
/// scanned for meanwhile, they wait for nothing. What they wait for leaders is not part of that time: it would grow by itself.
const SHARED: u64 = 6;
const SHARED_MEANWHILE: u64 = 3;
const MOST_APART: Duration = Duration::from_millis(20);

impl Searches {
    pub(super) fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.0))
    }

    fn count(&self) -> u64 {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// Waits for the scan for one, which counts once it has ended.
    pub(super) async fn scanned<T>(&self, scan: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let found = scan.await;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mean = self.0.took.load(Ordering::Relaxed);
        // Of two that end at the same moment one may go uncounted.
        let mean = mean - mean / MEAN_OF + took / MEAN_OF;
        self.0.took.store(mean, Ordering::Relaxed);
        found
    }

    /// For how long searches wait to share what leaders say; are they scanned for meanwhile?
    pub(super) fn apart(&self, meanwhile: bool) -> Duration {
        let took = self.0.took.load(Ordering::Relaxed);
        let shared = if meanwhile { SHARED_MEANWHILE } else { SHARED };
        Duration::from_micros(took / shared).min(MOST_APART)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn what_searches_wait_for_leaders_makes_none_wait_longer() {
        let searches = Searches::default();
        for _search in 0..10 {
            let _under_way = searches.begin();
            searches.scanned(std::future::ready(())).await;
            sleep(Duration::from_millis(20)).await;
        }
        let apart = searches.apart(true);
        assert!(apart < Duration::from_millis(2), "{apart:?}");
    }
}
