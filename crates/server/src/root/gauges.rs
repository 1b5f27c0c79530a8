//! What `GET /metrics` tells of the cluster: the figures of `GET /cluster`.

use metrics::{describe_gauge, gauge};

use super::Root;
use super::status::{ClusterStatus, CoordinatorStatus, MoveStatus, NodeStatus};

impl Root {
    /// Sets the gauges of the cluster, and of this process's own shards if it has any.
    pub fn measure(&self, status: &ClusterStatus) {
        status.measure();
        if let Some((_, leaf)) = self.leaves.own() {
            leaf.measure();
        }
    }
}

impl ClusterStatus {
    fn measure(&self) {
        describe_gauge!("vectra_cluster_rows", "Vectors stored, by collection.");
        for collection in &self.collections {
            let name = collection.name.clone();
            gauge!("vectra_cluster_rows", "collection" => name).set(collection.rows as f64);
        }
        describe_gauge!("vectra_cluster_shards", "Shards of all collections.");
        gauge!("vectra_cluster_shards").set(self.shards.len() as f64);
        describe_gauge!(
            "vectra_cluster_shards_without_leader",
            "Shards of which no leader is known, so that they take no writes."
        );
        let unled = self.shards.iter().filter(|shard| shard.leader.is_none());
        gauge!("vectra_cluster_shards_without_leader").set(unled.count() as f64);
        describe_gauge!(
            "vectra_cluster_replica_faults",
            "Replicas with which something is wrong; `GET /cluster` says what."
        );
        let faults: usize = self.shards.iter().map(|shard| shard.faults.len()).sum();
        gauge!("vectra_cluster_replica_faults").set(faults as f64);
        describe_gauge!(
            "vectra_cluster_moves_given_up",
            "Shards whose last move was given up; `GET /cluster` says why."
        );
        let given_up = self
            .shards
            .iter()
            .filter(|shard| shard.move_failed.is_some());
        gauge!("vectra_cluster_moves_given_up").set(given_up.count() as f64);
        describe_gauge!("vectra_cluster_splits", "Shards that are splitting.");
        gauge!("vectra_cluster_splits").set(self.splits.len() as f64);
        measure_coordinators(&self.coordinators);
        measure_nodes(&self.nodes);
        measure_moves(&self.moves);
    }
}

fn measure_coordinators(coordinators: &[CoordinatorStatus]) {
    describe_gauge!(
        "vectra_cluster_coordinator_alive",
        "1 if the coordinator answered within the last seconds, else 0."
    );
    describe_gauge!(
        "vectra_cluster_coordinator_leader",
        "1 if the coordinator leads the placement group, else 0."
    );
    for one in coordinators {
        let labels = [("id", one.id.to_string()), ("address", one.grpc.clone())];
        gauge!("vectra_cluster_coordinator_alive", &labels).set(flag(one.alive));
        gauge!("vectra_cluster_coordinator_leader", &labels).set(flag(one.leader));
    }
}

fn measure_nodes(nodes: &[NodeStatus]) {
    describe_gauge!(
        "vectra_cluster_node_alive",
        "1 if the shard node announced itself within the last seconds, else 0."
    );
    describe_gauge!(
        "vectra_cluster_node_draining",
        "1 if the shard node is being emptied, else 0."
    );
    describe_gauge!(
        "vectra_cluster_node_replicas",
        "Replicas placed on the shard node."
    );
    describe_gauge!(
        "vectra_cluster_node_leaders",
        "Shards led by the shard node."
    );
    describe_gauge!(
        "vectra_cluster_node_memory_bytes",
        "Memory that the replicas of the shard node take."
    );
    for one in nodes {
        let labels = [("id", one.id.to_string()), ("address", one.grpc.clone())];
        gauge!("vectra_cluster_node_alive", &labels).set(flag(one.alive));
        gauge!("vectra_cluster_node_draining", &labels).set(flag(one.draining));
        gauge!("vectra_cluster_node_replicas", &labels).set(one.replicas as f64);
        gauge!("vectra_cluster_node_leaders", &labels).set(one.leaders as f64);
        gauge!("vectra_cluster_node_memory_bytes", &labels).set(one.memory_bytes as f64);
    }
}

fn measure_moves(moves: &[MoveStatus]) {
    describe_gauge!("vectra_cluster_moves", "Moves of replicas under way.");
    gauge!("vectra_cluster_moves").set(moves.len() as f64);
    describe_gauge!(
        "vectra_cluster_move_percent",
        "How far the copying of a move is, in per cent; absent before it has begun."
    );
    describe_gauge!(
        "vectra_cluster_move_sent_bytes",
        "Bytes of files that a move has sent."
    );
    describe_gauge!(
        "vectra_cluster_move_total_bytes",
        "Bytes of files that a move sends in all, as far as known."
    );
    describe_gauge!(
        "vectra_cluster_move_bytes_per_second",
        "How fast a move sends them."
    );
    describe_gauge!(
        "vectra_cluster_move_eta_seconds",
        "When the files of a move will be there, if it goes on like this."
    );
    describe_gauge!(
        "vectra_cluster_move_missing_entries",
        "Entries of the log that the slowest of a move's new copies lacks."
    );
    for one in moves {
        let labels = [("shard", one.shard.to_string())];
        if let Some(percent) = one.percent {
            gauge!("vectra_cluster_move_percent", &labels).set(percent);
        }
        if let Some(seconds) = one.eta_seconds {
            gauge!("vectra_cluster_move_eta_seconds", &labels).set(seconds as f64);
        }
        gauge!("vectra_cluster_move_sent_bytes", &labels).set(one.sent_bytes as f64);
        gauge!("vectra_cluster_move_total_bytes", &labels).set(one.total_bytes as f64);
        gauge!("vectra_cluster_move_bytes_per_second", &labels).set(one.bytes_per_second as f64);
        gauge!("vectra_cluster_move_missing_entries", &labels).set(one.missing_entries as f64);
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use vectra_cluster::placement::MoveReason;

    fn page(moves: Vec<MoveStatus>) -> String {
        let node = |id: u64, alive| NodeStatus {
            id,
            grpc: format!("shard-{id}:8100"),
            alive,
            leaders: 2,
            replicas: 6,
            memory_bytes: 1_000,
            sent_bytes: 500,
            draining: !alive,
        };
        let status = ClusterStatus {
            cluster_id: None,
            items: 0,
            coordinators: Vec::new(),
            nodes: vec![node(1, true), node(2, false)],
            collections: Vec::new(),
            shards: Vec::new(),
            moves,
            splits: Vec::new(),
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || status.measure());
        recorder.handle().render()
    }

    fn assert_tells(page: &str, series: &[&str]) {
        for line in series {
            assert!(page.lines().any(|found| found == *line), "{line}: {page}");
        }
    }

    #[test]
    fn each_node_is_told_by_its_id_and_address() {
        let page = page(Vec::new());
        assert_tells(
            &page,
            &[
                r#"vectra_cluster_node_alive{id="1",address="shard-1:8100"} 1"#,
                r#"vectra_cluster_node_alive{id="2",address="shard-2:8100"} 0"#,
                r#"vectra_cluster_node_draining{id="2",address="shard-2:8100"} 1"#,
                r#"vectra_cluster_node_memory_bytes{id="1",address="shard-1:8100"} 1000"#,
                "vectra_cluster_moves 0",
                "vectra_cluster_splits 0",
            ],
        );
        assert!(!page.contains("vectra_cluster_move_"), "{page}");
    }

    #[test]
    fn a_move_is_told_as_far_as_it_is_known() {
        let waiting = MoveStatus {
            shard: 4,
            reason: MoveReason::Drain,
            from: vec![1],
            to: vec![2],
            sent_bytes: 0,
            total_bytes: 0,
            bytes_per_second: 0,
            missing_entries: 0,
            percent: None,
            eta_seconds: None,
        };
        let under_way = MoveStatus {
            shard: 5,
            sent_bytes: 300,
            total_bytes: 1_000,
            bytes_per_second: 70,
            missing_entries: 12,
            percent: Some(30.5),
            eta_seconds: Some(10),
            ..waiting.clone()
        };
        let page = page(vec![waiting, under_way]);
        assert_tells(
            &page,
            &[
                "vectra_cluster_moves 2",
                r#"vectra_cluster_move_percent{shard="5"} 30.5"#,
                r#"vectra_cluster_move_sent_bytes{shard="4"} 0"#,
                r#"vectra_cluster_move_sent_bytes{shard="5"} 300"#,
                r#"vectra_cluster_move_total_bytes{shard="5"} 1000"#,
                r#"vectra_cluster_move_bytes_per_second{shard="5"} 70"#,
                r#"vectra_cluster_move_eta_seconds{shard="5"} 10"#,
                r#"vectra_cluster_move_missing_entries{shard="5"} 12"#,
            ],
        );
        assert!(!page.contains(r#"percent{shard="4"}"#), "{page}");
        assert!(!page.contains(r#"eta_seconds{shard="4"}"#), "{page}");
    }
}
