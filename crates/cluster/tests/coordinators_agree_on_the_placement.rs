//! Three coordinators and the placement group.

mod cluster;

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::{PATIENCE, PlacementNode, wait_until};
use tempfile::TempDir;
use vectra_cluster::{ClusterError, PlacementCommand, PlacementGroup, PlacementOutcome};

fn announce(node: u64) -> PlacementCommand {
    PlacementCommand::AnnounceNode {
        node,
        grpc: format!("shard-{node}:8100"),
        http: None,
    }
}

fn create(name: &str) -> PlacementCommand {
    PlacementCommand::CreateCollection {
        name: name.to_owned(),
        dimension: 3,
        shards: 4,
        replicas: 3,
    }
}

/// A node in each of the directories, from 1 on, and their cluster.
async fn found_cluster(directories: &[TempDir]) -> Vec<PlacementNode> {
    let mut nodes = Vec::new();
    for (id, directory) in (1..).zip(directories) {
        nodes.push(PlacementNode::start(id, directory.path(), None).await);
    }
    let voters: BTreeMap<u64, String> = nodes
        .iter()
        .map(|node| (node.id, node.address.to_string()))
        .collect();
    let founded = nodes
        .iter()
        .map(|node| node.group.found(voters.clone(), "blue"));
    for result in futures::future::join_all(founded).await {
        assert!(result.is_ok(), "{result:?}");
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_one_remembers_its_placement() {
    let directory = tempfile::tempdir().unwrap();
    let node = PlacementNode::start(7, directory.path(), None).await;
    assert!(!node.group.is_initialized().await);
    let voters = BTreeMap::from([(7, node.address.to_string())]);
    node.group.found(voters.clone(), "blue").await.unwrap();
    // Founding again, as after a crash in the middle of it, does no harm.
    node.group.found(voters, "blue").await.unwrap();
    assert!(node.group.is_initialized().await);
    assert_eq!(
        node.group.propose(announce(9), PATIENCE).await.unwrap(),
        PlacementOutcome::Done
    );
    let created = node.group.propose(create("c"), PATIENCE).await.unwrap();
    assert!(
        matches!(created, PlacementOutcome::Collection(_)),
        "{created:?}"
    );
    let map = node.group.map().borrow().clone();
    assert_eq!(map.cluster_id.as_deref(), Some("blue"));
    node.stop().await;

    let node = PlacementNode::start(7, directory.path(), None).await;
    assert!(node.group.is_initialized().await);
    let mut published = node.group.map();
    published.wait_for(|now| **now == *map).await.unwrap();
    assert_eq!(
        node.group.propose(create("c"), PATIENCE).await.unwrap(),
        created
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_coordinator_takes_a_command_and_all_hold_the_same_map() {
    let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut nodes = found_cluster(&directories).await;

    for (node, number) in nodes.iter().zip(10..) {
        let outcome = node
            .group
            .propose(announce(number), PATIENCE)
            .await
            .unwrap();
        assert_eq!(outcome, PlacementOutcome::Done);
    }
    nodes[2].group.propose(create("c"), PATIENCE).await.unwrap();
    for node in &nodes {
        let mut map = node.group.map();
        let map = tokio::time::timeout(PATIENCE, map.wait_for(|map| map.collections.len() == 1));
        let map = map.await.unwrap().unwrap().clone();
        assert_eq!(map.nodes.len(), 3);
        assert_eq!(*map, **nodes[2].group.map().borrow());
    }

    // Without the leader the others go on; without a majority nobody does.
    let leader = nodes[0].group.leader().unwrap();
    let gone = nodes.remove(nodes.iter().position(|node| node.id == leader).unwrap());
    gone.stop().await;
    for node in &nodes {
        node.group
            .propose(announce(20 + node.id), PATIENCE)
            .await
            .unwrap();
    }
    let last = nodes.pop().unwrap();
    for node in nodes {
        node.stop().await;
    }
    let refused = last
        .group
        .propose(announce(30), Duration::from_millis(1_500))
        .await;
    assert!(
        matches!(
            refused,
            Err(ClusterError::NotReady { .. } | ClusterError::Unknown { .. })
        ),
        "{refused:?}"
    );
    last.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_joins_later_gets_the_map_and_a_vote() {
    let directories: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let first = PlacementNode::start(1, directories[0].path(), None).await;
    first
        .group
        .found(BTreeMap::from([(1, first.address.to_string())]), "blue")
        .await
        .unwrap();
    // Enough that part of the log is behind a checkpoint already.
    for round in 0..1_500 {
        let command = PlacementCommand::AnnounceNode {
            node: 5,
            grpc: format!("shard:{round}"),
            http: None,
        };
        first.group.propose(command, PATIENCE).await.unwrap();
    }

    let second = PlacementNode::start(2, directories[1].path(), None).await;
    first
        .group
        .admit(2, second.address.to_string())
        .await
        .unwrap();
    // Admitting it twice does no harm.
    first
        .group
        .admit(2, second.address.to_string())
        .await
        .unwrap();
    wait_until("the newcomer has the map", || {
        **second.group.map().borrow() == **first.group.map().borrow()
    })
    .await;
    assert_eq!(second.group.map().borrow().nodes[&5].grpc, "shard:1499");
    assert!(first.group.status().voters.contains(&2));
    // Through the newcomer, which forwards to the leader.
    second.group.propose(announce(6), PATIENCE).await.unwrap();
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_whose_admission_was_lost_with_a_leader_is_no_member() {
    const NEWCOMER: u64 = 4;
    let directories: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let home = |node: u64| directories[node as usize - 1].path();
    let mut nodes = found_cluster(&directories[..3]).await;
    for node in &nodes {
        until_member(&node.group).await;
    }

    // Alone, the leader begins to admit another one, and nobody else hears of it.
    let leader = nodes[0].group.leader().unwrap();
    let leader = nodes.remove(nodes.iter().position(|node| node.id == leader).unwrap());
    let mut others = Vec::new();
    for node in nodes {
        others.push((node.id, node.address));
        node.stop().await;
    }
    let newcomer = PlacementNode::start(NEWCOMER, home(NEWCOMER), None).await;
    let address = newcomer.address.to_string();
    let admission = leader.group.admit(NEWCOMER, address.clone());
    assert!(
        tokio::time::timeout(Duration::from_secs(2), admission)
            .await
            .is_err()
    );
    assert!(newcomer.group.is_initialized().await, "it has heard of it");
    assert!(!newcomer.group.is_member().await);
    leader.stop().await;

    let mut nodes = Vec::new();
    for (node, address) in others {
        nodes.push(PlacementNode::start(node, home(node), Some(address)).await);
    }
    let known = newcomer.address;
    newcomer.stop().await;
    let newcomer = PlacementNode::start(NEWCOMER, home(NEWCOMER), Some(known)).await;
    assert!(newcomer.group.is_initialized().await);
    assert!(!newcomer.group.is_member().await, "after a restart");
    nodes[0].group.admit(NEWCOMER, address).await.unwrap();
    until_member(&newcomer.group).await;
    newcomer.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

async fn until_member(group: &PlacementGroup) {
    let is_member = async {
        while !group.is_member().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, is_member).await;
    assert!(ended.is_ok(), "it does not become a member");
}
