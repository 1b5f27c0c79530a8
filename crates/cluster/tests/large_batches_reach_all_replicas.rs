//! Three replicas under a load of large batches.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cluster;

use bytes::Bytes;
use cluster::{ShardNode, map_of, wait_until, write_somewhere};
use vectra_store::{StoreOptions, WriteBatch};

const BATCH_ROWS: u32 = 200_000;
const BATCHES: u32 = 12;

/// About 8 MiB.
fn large_batch(number: u32) -> Bytes {
    let rows = number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
    let ids = rows.clone().map(|row| row.to_string()).collect();
    let vectors = rows.flat_map(cluster::vector).collect();
    WriteBatch::Upsert {
        ids,
        dimension: cluster::DIMENSION as u32,
        vectors,
    }
    .encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_come_to_hold_all_rows() {
    let mut directories = Vec::new();
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let directory = tempfile::tempdir().unwrap();
        nodes.push(ShardNode::start(id, directory.path(), None, StoreOptions::default()).await);
        directories.push(directory);
    }
    let members: Vec<_> = nodes.iter().map(|node| (node.id, node.address)).collect();
    for node in &nodes {
        node.groups.reconcile(&map_of(&members)).await.unwrap();
    }
    write_somewhere(&nodes, cluster::upsert([0])).await;
    for number in 0..BATCHES {
        write_somewhere(&nodes, large_batch(number)).await;
    }

    let expected = u64::from(BATCHES * BATCH_ROWS) + 1;
    wait_until("all replicas hold all rows", || {
        nodes
            .iter()
            .all(|node| node.group().shard().view().live_rows() == expected)
    })
    .await;
    for node in nodes {
        node.stop().await;
    }
}
