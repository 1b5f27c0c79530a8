//! The smallest cluster: one node, one shard, one replica.

mod cluster;

use cluster::{ShardNode, delete, map_of, read_somewhere, upsert, vector, write_somewhere};
use std::time::Duration;

use vectra_cluster::{Consistency, WriteError};
use vectra_store::{Shard, StoreError, StoreOptions};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, StoreOptions::default()).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();

    assert_eq!(write_somewhere([&node], upsert(0..20)).await, 0);
    assert_eq!(write_somewhere([&node], upsert(10..30)).await, 10);
    assert_eq!(write_somewhere([&node], delete(0..5)).await, 5);
    let address = node.address;
    node.stop().await;

    for _restart in 0..2 {
        let node =
            ShardNode::start(1, directory.path(), Some(address), StoreOptions::default()).await;
        node.groups
            .reconcile(&map_of(&[(1, node.address)]))
            .await
            .unwrap();
        for (number, found) in read_somewhere([&node], 0..31).await {
            let expected = (5..30).contains(&number).then(|| vector(number));
            assert_eq!(found, expected, "id_{number}");
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_sealed_early_and_rows_sealed_at_the_stop_are_both_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    // A checkpoint after every few rows.
    let often = || StoreOptions {
        seal_bytes: 256,
        ..StoreOptions::default()
    };
    let node = ShardNode::start(1, directory.path(), None, often()).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();
    for number in 0..200 {
        write_somewhere([&node], upsert([number])).await;
    }
    write_somewhere([&node], delete((0..200).step_by(3))).await;
    cluster::wait_until("something was sealed", || {
        node.group().shard().mark().is_some()
    })
    .await;
    node.stop().await;

    let node = ShardNode::start(1, directory.path(), None, often()).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();
    for (number, found) in read_somewhere([&node], 0..200).await {
        let expected = (number % 3 != 0).then(|| vector(number));
        assert_eq!(found, expected, "id_{number}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_has_everything_in_its_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, StoreOptions::default()).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();
    write_somewhere([&node], upsert(0..20)).await;
    write_somewhere([&node], delete(5..10)).await;
    node.stop().await;

    let path = directory.path().join("shards").join("shard-1");
    let open = || Shard::open(&path, cluster::DIMENSION, StoreOptions::default());
    // What the node's last tasks hold is dropped soon, though not at once.
    cluster::wait_until("the shard is closed", || {
        !matches!(open(), Err(StoreError::InUse { .. }))
    })
    .await;
    let shard = open().unwrap();
    assert_eq!(shard.view().live_rows(), 15);
    assert!(shard.mark().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_sealed_once_their_shard_is_quiet() {
    let directory = tempfile::tempdir().unwrap();
    let soon = StoreOptions {
        seal_after: Duration::from_millis(100),
        seal_bytes: 64 << 10,
        ..StoreOptions::default()
    };
    let node = ShardNode::start(1, directory.path(), None, soon).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();
    write_somewhere([&node], upsert(0..100)).await;
    cluster::wait_until("the rows are sealed", || {
        node.group().shard().growing_bytes() == 0
    })
    .await;
    assert_eq!(node.group().shard().view().live_rows(), 100);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_does_not_fit_the_shard_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let node = ShardNode::start(1, directory.path(), None, StoreOptions::default()).await;
    node.groups
        .reconcile(&map_of(&[(1, node.address)]))
        .await
        .unwrap();
    write_somewhere([&node], upsert([1])).await;

    let three_values = vectra_store::WriteBatch::Upsert {
        ids: vec!["id_2".to_owned()],
        dimension: 3,
        vectors: vec![1.0, 2.0, 3.0],
    };
    let refusals = [
        three_values.encode(),
        bytes::Bytes::from_static(b"no batch at all"),
        bytes::Bytes::from(vec![0; vectra_cluster::MAX_BATCH_BYTES + 1]),
    ];
    for batch in refusals {
        let refused = node.group().write(batch).await;
        assert!(
            matches!(refused, Err(WriteError::Refused { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(
        node.group()
            .readable_view(Consistency::Leader)
            .await
            .unwrap()
            .live_rows(),
        1
    );
    node.stop().await;
}
