//! Three replicas of one shard on three nodes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cluster;

use std::sync::Arc;
use std::time::Duration;

use cluster::{
    PATIENCE, SHARD, ShardNode, delete, map_of, read_somewhere, upsert, vector, wait_until,
    write_somewhere,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;
use vectra_cluster::{Consistency, Readable};
use vectra_store::{ShardView, StoreOptions};
use vectra_wire::v1::ReadIndexRequest;
use vectra_wire::v1::raft_client::RaftClient;

struct Trio {
    directories: Vec<TempDir>,
    nodes: Vec<ShardNode>,
}

impl Trio {
    async fn start(store: fn() -> StoreOptions) -> Self {
        let mut directories = Vec::new();
        let mut nodes = Vec::new();
        for id in 1..=3 {
            let directory = tempfile::tempdir().unwrap();
            nodes.push(ShardNode::start(id, directory.path(), None, store()).await);
            directories.push(directory);
        }
        let trio = Self { directories, nodes };
        trio.reconcile().await;
        trio
    }

    async fn reconcile(&self) {
        let mut members: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.id, node.address))
            .collect();
        members.sort();
        for node in &self.nodes {
            node.groups.reconcile(&map_of(&members)).await.unwrap();
        }
    }

    async fn leader(&self) -> usize {
        let mut found = None;
        wait_until("there is a leader", || {
            found = self
                .nodes
                .iter()
                .position(|node| node.group().status().is_leader);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// The leader, the others stopped.
    async fn leader_alone(&mut self) -> ShardNode {
        let leader = self.leader().await;
        self.alone(leader).await
    }

    /// A follower, likewise.
    async fn follower_alone(&mut self) -> ShardNode {
        let leader = self.leader().await;
        self.alone((leader + 1) % 3).await
    }

    async fn alone(&mut self, node: usize) -> ShardNode {
        let left = self.nodes.remove(node);
        for node in std::mem::take(&mut self.nodes) {
            node.stop().await;
        }
        left
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_elect_a_leader_that_answers_with_everything_acknowledged() {
    let mut trio = Trio::start(StoreOptions::default).await;
    write_somewhere(&trio.nodes, upsert(0..30)).await;
    write_somewhere(&trio.nodes, delete(0..10)).await;
    let leader = trio.leader().await;
    for node in &trio.nodes {
        let readable = node
            .group()
            .readable_view(Consistency::Leader)
            .await
            .is_ok();
        assert_eq!(
            readable,
            node.group().status().is_leader,
            "only the leader answers"
        );
    }

    let gone = trio.nodes.remove(leader);
    let (gone_id, gone_address) = (gone.id, gone.address);
    gone.stop().await;
    for (number, found) in read_somewhere(&trio.nodes, 0..30).await {
        assert_eq!(found, (number >= 10).then(|| vector(number)), "id_{number}");
    }
    assert_eq!(write_somewhere(&trio.nodes, upsert(20..40)).await, 10);

    // The one that was away catches up from the others' log.
    let directory = trio.directories[gone_id as usize - 1].path();
    let back = ShardNode::start(
        gone_id,
        directory,
        Some(gone_address),
        StoreOptions::default(),
    )
    .await;
    trio.nodes.push(back);
    trio.nodes.sort_by_key(|node| node.id);
    let members: Vec<_> = trio
        .nodes
        .iter()
        .map(|node| (node.id, node.address))
        .collect();
    let back = &trio.nodes[gone_id as usize - 1];
    back.groups.reconcile(&map_of(&members)).await.unwrap();
    wait_until("the node that was away has all rows", || {
        back.group().shard().view().live_rows() == 30
    })
    .await;
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_stopped_altogether_answers_as_before() {
    let mut trio = Trio::start(StoreOptions::default).await;
    write_somewhere(&trio.nodes, upsert(0..50)).await;
    write_somewhere(&trio.nodes, delete([7])).await;

    let mut stopped = Vec::new();
    for node in std::mem::take(&mut trio.nodes) {
        stopped.push((node.id, node.address));
        node.stop().await;
    }
    for (id, address) in stopped {
        let directory = trio.directories[id as usize - 1].path();
        let node = ShardNode::start(id, directory, Some(address), StoreOptions::default()).await;
        trio.nodes.push(node);
    }
    trio.reconcile().await;
    for (number, found) in read_somewhere(&trio.nodes, 0..50).await {
        assert_eq!(found, (number != 7).then(|| vector(number)), "id_{number}");
    }
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_past_the_purge_catches_up_by_snapshot() {
    let often = || StoreOptions {
        seal_bytes: 1_024,
        ..StoreOptions::default()
    };
    let mut trio = Trio::start(often).await;
    write_somewhere(&trio.nodes, upsert(0..10)).await;
    let leader = trio.leader().await;
    let away = trio.nodes.remove((leader + 1) % 3);
    let (away_id, away_address) = (away.id, away.address);
    away.stop().await;

    // Enough entries, in enough checkpoints, that the first ones are purged.
    for round in 0..1_300 {
        let first = 10 + round % 400;
        write_somewhere(&trio.nodes, upsert(first..first + 4)).await;
    }
    write_somewhere(&trio.nodes, delete(0..5)).await;
    let leader = trio.leader().await;
    wait_until("the leader has purged what the one away needs", || {
        trio.nodes[leader].group().purged() > Some(30)
    })
    .await;

    let directory = trio.directories[away_id as usize - 1].path();
    let back = ShardNode::start(away_id, directory, Some(away_address), often()).await;
    trio.nodes.push(back);
    let members: Vec<_> = trio
        .nodes
        .iter()
        .map(|node| (node.id, node.address))
        .collect();
    let back = trio.nodes.last().unwrap();
    back.groups.reconcile(&map_of(&members)).await.unwrap();
    let expected = trio.nodes[leader].group().shard().view().live_rows();
    wait_until("the one that was away has all rows", || {
        back.group().shard().view().live_rows() == expected
    })
    .await;
    let view = back.group().shard().view();
    for number in 0..413 {
        let found = view.find(&format!("id_{number}")).unwrap();
        assert_eq!(found, (number >= 5).then(|| vector(number)), "id_{number}");
    }
    assert!(back.groups.get(SHARD).unwrap().shard().mark().is_some());

    // And it takes part again: its vote is needed once another one is gone.
    let gone = trio.nodes.remove(0);
    gone.stop().await;
    assert_eq!(write_somewhere(&trio.nodes, upsert(0..6)).await, 1);
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_from_the_others_neither_acknowledges_nor_answers() {
    let mut trio = Trio::start(StoreOptions::default).await;
    write_somewhere(&trio.nodes, upsert(0..5)).await;
    let lonely = trio.leader_alone().await;
    let group = lonely.group();
    let mut refused = false;
    for _attempt in 0..400 {
        if group.readable_view(Consistency::Leader).await.is_err() {
            refused = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(refused, "a leader without followers still answers");
    let written = tokio::time::timeout(std::time::Duration::from_secs(2), group.write(upsert([9])));
    assert!(
        !matches!(written.await, Ok(Ok(_))),
        "acknowledged without a majority"
    );
    drop(group);
    lonely.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linearizable_read_needs_a_majority_even_while_the_lease_lasts() {
    let mut trio = Trio::start(StoreOptions::default).await;
    for number in 0..20 {
        write_somewhere(&trio.nodes, upsert([number])).await;
        let view = confirmed_view(&trio.nodes).await;
        let found = view.find(&format!("id_{number}")).unwrap();
        assert_eq!(found, Some(vector(number)), "acknowledged before");
    }
    let lonely = trio.leader_alone().await;
    let group = lonely.group();
    let refused = group.readable_view(Consistency::Linearizable).await;
    assert!(refused.is_err(), "nobody has confirmed that it leads");
    drop(group);
    lonely.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_answers_as_long_as_it_knows_how_old_its_state_is() {
    let mut trio = Trio::start(StoreOptions::default).await;
    write_somewhere(&trio.nodes, upsert(0..10)).await;
    for node in &trio.nodes {
        let group = node.group();
        let until = Instant::now() + PATIENCE;
        loop {
            match group.readable_view(Consistency::Any).await {
                Ok(view) if view.live_rows() == 10 => break,
                other => assert!(Instant::now() < until, "node {}: {other:?}", node.id),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    // Without a majority nobody can lead, and what a follower has gets older and older.
    let follower = trio.follower_alone().await;
    let group = follower.group();
    let (until, mut answers) = (Instant::now() + PATIENCE, 0);
    while let Ok(view) = group.readable_view(Consistency::Any).await {
        assert_eq!(view.live_rows(), 10);
        assert!(Instant::now() < until, "it answers from an old state");
        answers += 1;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(answers > 0, "it refused while what it had was recent");
    drop(group);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_asks_its_leader_answers_with_everything_acknowledged() {
    let mut trio = Trio::start(StoreOptions::default).await;
    let presumed = |node: &ShardNode, quiet| {
        let mut presumed = (node.groups).presumed(&[SHARD], Consistency::Linearizable, quiet)?;
        presumed.pop()
    };
    for number in 0..30 {
        let before = presumed(&trio.nodes[0], Duration::ZERO);
        write_somewhere(&trio.nodes, upsert([number])).await;
        for node in &trio.nodes {
            for consistency in [Consistency::Leader, Consistency::Linearizable] {
                let view = view_of(node, consistency).await;
                let found = view.find(&format!("id_{number}")).unwrap();
                assert_eq!(found, Some(vector(number)), "node {}", node.id);
            }
        }
        // What a search may begin with now is what it gets, and not what there was before.
        let now = presumed(&trio.nodes[0], Duration::ZERO).unwrap();
        let answer = readable(&trio.nodes[0], Consistency::Leader).await;
        assert!(answer.is_same(&now));
        assert!(!before.is_some_and(|before| answer.is_same(&before)));
    }
    let an_hour = Duration::from_secs(3_600);
    assert!(
        presumed(&trio.nodes[0], an_hour).is_none(),
        "there was a write"
    );

    // Nobody can tell a follower without a leader how far it must have come.
    let follower = trio.follower_alone().await;
    for consistency in [Consistency::Leader, Consistency::Linearizable] {
        let refused = follower
            .groups
            .readable(&[SHARD, 99], consistency, Duration::ZERO)
            .await;
        assert!(refused[0].is_err(), "it answers by itself");
        assert!(refused[1].is_err(), "it has no such shard");
    }
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_from_the_others_tells_nobody_how_far_to_have_come() {
    let mut trio = Trio::start(StoreOptions::default).await;
    write_somewhere(&trio.nodes, upsert(0..5)).await;
    let lonely = trio.leader_alone().await;
    let address = format!("http://{}", lonely.address);
    let mut client = RaftClient::connect(address).await.unwrap();
    let (questions, to_send) = mpsc::channel(1);
    let answers = client.read_index(ReceiverStream::new(to_send));
    let mut answers = answers.await.unwrap().into_inner();
    let until = Instant::now() + PATIENCE;
    loop {
        let request = ReadIndexRequest {
            target: lonely.id,
            // Its shard's, the placement's, and nobody's.
            groups: vec![SHARD + 1, 1, 99],
            confirmed: false,
        };
        questions.send(request).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.entries[1..], [0, 0]);
        if answer.entries[0] == 0 {
            break;
        }
        assert!(Instant::now() < until, "it still does, its lease long over");
        sleep(Duration::from_millis(20)).await;
    }
    lonely.stop().await;
    let ended = answers.message().await;
    assert!(ended.unwrap().is_none(), "whoever stops ends it");
}

/// What whichever of the nodes leads answers once a majority has confirmed it.
async fn confirmed_view(nodes: &[ShardNode]) -> Arc<ShardView> {
    let until = Instant::now() + PATIENCE;
    loop {
        for node in nodes {
            let view = node.group().readable_view(Consistency::Linearizable).await;
            if let Ok(view) = view {
                return view;
            }
        }
        assert!(Instant::now() < until, "no leader was confirmed");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What one node answers, once there is a leader.
async fn view_of(node: &ShardNode, consistency: Consistency) -> Arc<ShardView> {
    readable(node, consistency).await.view
}

async fn readable(node: &ShardNode, consistency: Consistency) -> Readable {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut states = node
            .groups
            .readable(&[SHARD], consistency, Duration::ZERO)
            .await;
        match states.remove(0) {
            Ok(state) => return state,
            Err(refusal) => assert!(Instant::now() < until, "node {}: {refusal:?}", node.id),
        }
        sleep(Duration::from_millis(20)).await;
    }
}
