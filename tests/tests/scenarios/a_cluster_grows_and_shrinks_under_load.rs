//! From one node to three, to four, and back to three by draining, while clients write and search:
//! no request fails but in the moments of an election, nothing is lost, and the shares are even.

use std::sync::Mutex;
use std::thread;

use vectra_tests::load::{Toll, search_until, write_until};
use vectra_tests::placement::{node_at, spread, wait_for_placement};
use vectra_tests::process::{Vectra, run_well};
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};

const DIMENSION: usize = 48;

/// Rows enough that some are in sealed segments: those travel as a snapshot.
fn fill(cluster: &Sandbox) -> Toll {
    let mut toll = Toll::default();
    let ids = numbered("row-", 4_000);
    let vectors = random_vectors(&mut seeded(1), 4_000, DIMENSION);
    for (ids, vectors) in ids.chunks(400).zip(vectors.chunks(400)) {
        cluster.api().ingest(ids, vectors);
        toll.model.ingested(ids, vectors);
    }
    toll
}

fn started(node: Vectra, settings: &[(&str, &str)]) -> Vectra {
    let set = |node: Vectra, (key, value): &(&str, &str)| node.set(key, value);
    settings.iter().fold(node, set).start()
}

#[test]
fn and_nothing_is_lost() {
    let settings = [("shards", "4"), ("seal_bytes", "64KiB")];
    let mut cluster = Sandbox::start_with(1, 1, &settings);
    let api = cluster.api();
    let toll = Mutex::new(fill(&cluster));
    let end = Until::default();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        scope.spawn(|| write_until(&end, &api, "writer", seeded(2), &toll));
        scope.spawn(|| search_until(&end, &api, seeded(3), &toll));

        for number in 2..=3 {
            let node = started(cluster.shard_node(number), &settings);
            cluster.shards.push(node);
        }
        wait_for_nodes(&api, 3);
        wait_for_placement(&api, "three replicas of each shard", |placement| {
            placement.is_replicated(3) && spread(&placement.led) <= 1
        });

        let fourth = started(cluster.shard_node(4), &settings);
        cluster.shards.push(fourth);
        wait_for_nodes(&api, 4);
        wait_for_placement(&api, "the fourth node has its share", |placement| {
            placement.is_replicated(3)
                && spread(&placement.held) == 0
                && spread(&placement.led) == 0
        });

        let drained = cluster.shards[0].grpc().to_string();
        let url = cluster.coordinators[0].url();
        run_well(&["shard", "drain", &drained, "--url", &url]);
        let drained = node_at(&api.try_cluster().unwrap(), &drained).expect("its id");
        wait_for_placement(&api, "the drained node is empty", |placement| {
            placement.is_replicated(3)
                && placement.held[&drained] == 0
                && placement.led.values().filter(|led| **led > 0).count() == 3
        });
        cluster.shards[0].stop();
    });
    let mut toll = toll.into_inner().unwrap();
    toll.model.settle(&api);
    println!("{} searches", toll.searches.len());
    assert!(!toll.searches.is_empty());
    assert_eq!(toll.failed_searches, Vec::<String>::new());
    assert_eq!(toll.failed_writes, Vec::<String>::new());
}
