//! A node dies at night and nobody is called: its replicas are made anew on the others. When it
//! comes back after all, it drops what has been replaced and gets its share again.

use std::sync::Mutex;
use std::thread;

use vectra_tests::load::{Toll, search_until, write_until};
use vectra_tests::placement::{node_at, spread, wait_for_placement};
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

#[test]
fn and_is_used_again_when_it_returns() {
    let settings = [
        ("dead_after", "8s"),
        ("shards", "4"),
        ("seal_bytes", "64KiB"),
    ];
    let mut cluster = Sandbox::start_with(1, 4, &settings);
    let api = cluster.api();
    let ids = numbered("row-", 2_000);
    let vectors = random_vectors(&mut seeded(3), 2_000, 32);
    let mut toll = Toll::default();
    for (ids, vectors) in ids.chunks(250).zip(vectors.chunks(250)) {
        api.ingest(ids, vectors);
        toll.model.ingested(ids, vectors);
    }
    wait_for_placement(&api, "twelve replicas on four nodes", |placement| {
        placement.is_replicated(3) && spread(&placement.held) == 0
    });
    let victim = cluster.shards[1].grpc().to_string();
    let victim = node_at(&api.try_cluster().unwrap(), &victim).expect("the victim's id");

    let toll = Mutex::new(toll);
    let end = Until::default();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        scope.spawn(|| write_until(&end, &api, "writer", seeded(4), &toll));
        scope.spawn(|| search_until(&end, &api, seeded(5), &toll));
        cluster.shards[1].kill();
        wait_for_nodes(&api, 3);
        wait_for_placement(&api, "the dead node is replaced", |placement| {
            placement.is_replicated(3) && placement.held[&victim] == 0
        });
        cluster.shards[1].restart();
        wait_for_nodes(&api, 4);
        wait_for_placement(&api, "the node that is back has its share", |placement| {
            placement.is_replicated(3)
                && spread(&placement.held) == 0
                && spread(&placement.led) <= 1
        });
    });
    let mut toll = toll.into_inner().unwrap();
    assert!(!toll.searches.is_empty());
    toll.model.settle(&api);
}
