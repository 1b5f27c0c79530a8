//! What a node does with files that are not what it wrote.

mod cluster;

use std::fs;

use cluster::{SHARD, ShardNode, map_of, upsert, wait_until, write_somewhere};
use vectra_cluster::{ClusterError, placement};
use vectra_store::StoreOptions;

fn often() -> StoreOptions {
    StoreOptions {
        seal_bytes: 1_024,
        ..StoreOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_shard_is_reported_and_the_others_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, often()).await;
    let mut map = map_of(&[(1, node.address)]);
    let second = placement::Shard {
        collection: "other".to_owned(),
        ..map.shards[&SHARD].clone()
    };
    map.shards.insert(2, second);
    map.collections.insert(
        "other".to_owned(),
        placement::Collection {
            dimension: cluster::DIMENSION,
            replicas: 1,
            shards: vec![2],
        },
    );
    node.groups.reconcile(&map).await.unwrap();
    write_somewhere([&node], upsert(0..200)).await;
    wait_until("a checkpoint is written", || {
        node.group().shard().mark().is_some()
    })
    .await;
    let shards = directory
        .path()
        .join("shards")
        .join(format!("shard-{SHARD}"));
    node.stop().await;

    for file in fs::read_dir(&shards).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        for byte in bytes.iter_mut().skip(8).step_by(16) {
            *byte ^= 0xff;
        }
        fs::write(&path, bytes).unwrap();
    }
    let node = ShardNode::start(1, directory.path(), None, often()).await;
    let result = node.groups.reconcile(&map).await;
    assert!(
        matches!(result, Err(ClusterError::Shard { shard: SHARD, .. })),
        "{result:?}"
    );
    assert!(node.groups.get(SHARD).is_none());
    assert_eq!(
        node.groups.faults().keys().copied().collect::<Vec<_>>(),
        [SHARD]
    );
    let other = node.groups.get(2).unwrap();
    wait_until("the other shard has a leader", || other.status().is_leader).await;
    other.write(upsert([1])).await.unwrap();
    drop(other);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_files_are_gone_does_not_start_empty() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, often()).await;
    let map = map_of(&[(1, node.address)]);
    node.groups.reconcile(&map).await.unwrap();
    for number in 0..1_100 {
        write_somewhere([&node], upsert([number])).await;
    }
    wait_until("part of the log is purged", || {
        node.group().purged().is_some()
    })
    .await;
    node.stop().await;
    fs::remove_dir_all(directory.path().join("shards")).unwrap();

    let node = ShardNode::start(1, directory.path(), None, often()).await;
    let result = node.groups.reconcile(&map).await;
    let Err(ClusterError::Shard { reason, .. }) = result else {
        panic!("{result:?}")
    };
    assert!(reason.contains("files are missing"), "{reason}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_at_any_moment_has_everything_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, often()).await;
    let map = map_of(&[(1, node.address)]);
    node.groups.reconcile(&map).await.unwrap();
    write_somewhere([&node], upsert([0])).await;

    // Copies of the logs and the shards while writes, checkpoints and purges go on, as a kill
    // would leave them. The log is copied last: a checkpoint never needs a later log's absence.
    let group = node.group();
    let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let writer = {
        let (group, acknowledged) = (group.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for number in 1..1_500 {
                group.write(upsert([number])).await.unwrap();
                acknowledged.store(number, std::sync::atomic::Ordering::SeqCst);
            }
        })
    };
    let mut copies = Vec::new();
    while !writer.is_finished() && copies.len() < 12 {
        let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        let copy = tempfile::tempdir().unwrap();
        if cluster::try_copy_directory(directory.path(), copy.path()).is_ok() {
            copies.push((before, copy));
        }
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
    writer.await.unwrap();
    drop(group);
    node.stop().await;

    assert!(!copies.is_empty());
    for (acknowledged, copy) in copies {
        let node = ShardNode::start(1, copy.path(), None, often()).await;
        // A copy is not made in one moment: files may have been replaced while it was made. That
        // is noticed, never served.
        if node
            .groups
            .reconcile(&map_of(&[(1, node.address)]))
            .await
            .is_ok()
        {
            for (number, found) in cluster::read_somewhere([&node], 0..=acknowledged).await {
                assert_eq!(found, Some(cluster::vector(number)), "id_{number}");
            }
        }
        node.stop().await;
    }
}
