//! The members of a shard's group follow the placement map.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cluster;

use std::path::PathBuf;

use cluster::{
    SHARD, ShardNode, map_of, read_somewhere, upsert, vector, wait_until, write_somewhere,
};
use tempfile::TempDir;
use vectra_cluster::placement::{MoveReason, Position};
use vectra_cluster::{NodeId, PlacementCommand, PlacementMap, PlacementOutcome};
use vectra_store::StoreOptions;

/// Nodes 1 to 4, the shard on some of them, and the map that all of them are shown.
struct Nodes {
    directories: Vec<TempDir>,
    nodes: Vec<ShardNode>,
    map: PlacementMap,
}

impl Nodes {
    /// The group is founded by `founders`. Its log is kept short, so that new members are sent
    /// snapshots.
    async fn start(founders: &[NodeId]) -> Self {
        let mut directories = Vec::new();
        let mut nodes = Vec::new();
        for id in 1..=4 {
            let directory = tempfile::tempdir().unwrap();
            let store = StoreOptions {
                seal_bytes: 4 << 10,
                ..StoreOptions::default()
            };
            nodes.push(ShardNode::start(id, directory.path(), None, store).await);
            directories.push(directory);
        }
        let members: Vec<_> = nodes.iter().map(|node| (node.id, node.address)).collect();
        let mut map = map_of(&members);
        map.shards.get_mut(&SHARD).unwrap().replicas = founders.to_vec();
        let mut all = Self {
            directories,
            nodes,
            map,
        };
        all.show().await;
        write_somewhere(&all.nodes, upsert(0..10)).await;
        all.apply(PlacementCommand::NoteFounded { shard: SHARD })
            .await;
        all
    }

    async fn apply(&mut self, command: PlacementCommand) {
        let outcome = self.map.apply(&command);
        assert_eq!(outcome, PlacementOutcome::Done, "{command:?}");
        self.show().await;
    }

    async fn show(&self) {
        for node in &self.nodes {
            node.groups.reconcile(&self.map).await.unwrap();
        }
    }

    fn leader(&self) -> Option<&ShardNode> {
        let mut nodes = self.nodes.iter();
        nodes.find(|node| {
            let group = node.groups.get(SHARD);
            group.is_some_and(|group| group.readable_now())
        })
    }

    async fn wait_for_settled(&self) -> Position {
        wait_until("the members are as placed", || {
            let group = self.leader().and_then(|node| node.groups.get(SHARD));
            group.is_some_and(|group| group.settled() == self.map.version)
        })
        .await;
        let group = self.leader().unwrap().group();
        group.status().members_as_of.unwrap()
    }

    async fn move_to(&mut self, to: &[NodeId]) {
        let from = self.map.shards[&SHARD].replicas.clone();
        self.apply(PlacementCommand::BeginMove {
            shard: SHARD,
            from,
            to: to.to_vec(),
            reason: MoveReason::Spread,
        })
        .await;
        let as_of = self.wait_for_settled().await;
        let since = self.map.shards[&SHARD].next.as_ref().unwrap().since;
        self.apply(PlacementCommand::FinishMove {
            shard: SHARD,
            since,
            as_of,
        })
        .await;
        let status = self.leader_status().await;
        assert_eq!(status, to.iter().copied().collect());
    }

    async fn leader_status(&self) -> std::collections::BTreeSet<NodeId> {
        wait_until("there is a leader", || self.leader().is_some()).await;
        self.leader().unwrap().group().status().voters
    }

    async fn wait_for_leader(&self, wanted: NodeId) {
        wait_until("the preferred replica leads", || {
            self.leader().is_some_and(|node| node.id == wanted)
        })
        .await;
    }

    fn files(&self, node: NodeId) -> PathBuf {
        let directory = self.directories[node as usize - 1].path();
        directory.join("shards").join(format!("shard-{SHARD}"))
    }

    async fn check(&self, numbers: std::ops::Range<u32>) {
        for (number, found) in read_somewhere(&self.nodes, numbers).await {
            assert_eq!(found, Some(vector(number)), "id_{number}");
        }
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_becomes_three_that_have_everything() {
    let mut nodes = Nodes::start(&[1]).await;
    // More than is kept in the log for those who lag.
    for batch in 0..1_500_u32 {
        write_somewhere(&nodes.nodes, upsert(batch * 2..(batch + 1) * 2)).await;
    }
    let first = nodes.nodes[0].group();
    wait_until("the log is shortened", || first.purged().is_some()).await;
    drop(first);
    nodes.move_to(&[1, 2, 3]).await;
    for node in &nodes.nodes[..3] {
        wait_until("the replica has all rows", || {
            node.group().shard().view().live_rows() == 3_000
        })
        .await;
    }
    for node in &nodes.nodes[1..3] {
        let purged = node.group().purged();
        assert!(purged.is_some(), "node {} was sent a snapshot", node.id);
    }
    nodes.check(0..3_000).await;
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_leaves_hands_over_and_its_copy_is_dropped_and_made_again() {
    let mut nodes = Nodes::start(&[1, 2, 3]).await;
    write_somewhere(&nodes.nodes, upsert(0..500)).await;
    nodes.wait_for_settled().await;
    let leader = nodes.leader().unwrap().id;
    let others: Vec<NodeId> = (1..=4).filter(|node| *node != leader).collect();
    nodes.move_to(&others).await;
    wait_until("the copy is dropped", || !nodes.files(leader).exists()).await;
    let left = &nodes.nodes[leader as usize - 1];
    assert_eq!(left.groups.dropped(), [SHARD]);
    write_somewhere(&nodes.nodes, upsert(400..900)).await;

    let node = leader;
    nodes
        .apply(PlacementCommand::ForgetReplica { shard: SHARD, node })
        .await;
    let back: Vec<NodeId> = others[1..].iter().copied().chain([leader]).collect();
    nodes.move_to(&back).await;
    nodes.check(0..900).await;
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_should_lead_does_and_no_write_is_lost_on_the_way() {
    let mut nodes = Nodes::start(&[1, 2, 3]).await;
    let mut written = 10;
    for preferred in [2, 3, 1, 3] {
        let node = preferred;
        nodes
            .apply(PlacementCommand::PreferLeader { shard: SHARD, node })
            .await;
        while nodes.leader().map(|node| node.id) != Some(preferred) {
            write_somewhere(&nodes.nodes, upsert(written..written + 5)).await;
            written += 5;
        }
        nodes.wait_for_leader(preferred).await;
        nodes.check(0..written).await;
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_votes_is_never_dropped() {
    let mut nodes = Nodes::start(&[1, 2, 3]).await;
    nodes.wait_for_settled().await;
    // As if a leader that did not know had taken it in again after it had left.
    let long_ago = Position {
        term: 0,
        node: 0,
        index: 0,
    };
    let shard = nodes.map.shards.get_mut(&SHARD).unwrap();
    shard.left.insert(2, long_ago);
    nodes.map.version += 1;
    nodes.show().await;
    assert!(nodes.nodes[1].groups.drop_left().await, "it stays");
    assert!(nodes.nodes[1].groups.get(SHARD).is_some());
    nodes.check(0..10).await;
    nodes.stop().await;
}
