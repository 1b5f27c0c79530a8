//! Three shard nodes become six while clients write and search, and three again by draining: the data
//! is spread evenly, nearly nothing is sent that need not be, and no request fails.
//!
//! `just scale-out` tells how long searches took meanwhile.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use vectra_tests::http::Api;
use vectra_tests::load::{Pace, Toll, search_until, write_paced_until};
use vectra_tests::placement::{node_at, spread, wait_for_placement};
use vectra_tests::process::{Vectra, run_well};
use vectra_tests::sandbox::{Sandbox, wait_for_nodes};
use vectra_tests::shares::Shares;
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const DIMENSION: usize = 256;
/// Enough that a hash spreads them well, and that what is written meanwhile is little beside them.
const ROWS: usize = 6_000;

/// How far a node may be from an even share of the rows.
const EVEN: f64 = 0.10;
/// Bytes sent, over the least that could be.
const OVER_THE_LEAST: f64 = 1.2;

fn fill(api: &Api) -> Toll {
    let mut toll = Toll::default();
    let ids = numbered("row-", ROWS);
    let vectors = random_vectors(&mut seeded(1), ROWS, DIMENSION);
    for (ids, vectors) in ids.chunks(100).zip(vectors.chunks(100)) {
        api.ingest(ids, vectors);
        toll.model.ingested(ids, vectors);
    }
    toll
}

/// Starts every process again after an orderly stop: then all rows are in files and the log is short,
/// as with more rows it would be at any time. A new copy that could be made from the log alone would
/// need no file, and tell nothing of what it takes to send them.
fn make_the_log_short(cluster: &mut Sandbox) {
    for process in cluster.shards.iter_mut().chain(&mut cluster.coordinators) {
        process.stop();
    }
    cluster.start_all();
    let api = cluster.api();
    wait_for_placement(&api, "three replicas on three nodes", |placement| {
        placement.is_replicated(3) && spread(&placement.led) <= 1
    });
    let least = (ROWS * DIMENSION * size_of::<f32>()) as u64;
    eventually("all rows are in files", || {
        let bytes = Shares::of(&api.try_cluster()?).bytes();
        if bytes > least {
            Ok(())
        } else {
            Err(format!("{bytes} of {least} bytes"))
        }
    });
}

/// The shares once the figures of every node have been heard after the last move.
fn settled_shares(api: &Api) -> Shares {
    thread::sleep(Duration::from_secs(2));
    Shares::of(&api.try_cluster().unwrap())
}

/// Says how long the searches took since this was said last.
fn tell(what: &str, toll: &Mutex<Toll>) {
    let mut took = std::mem::take(&mut toll.lock().unwrap().searches);
    took.sort_unstable();
    let count = took.len();
    let longest = took.last().expect("a search was answered");
    let (p50, p99) = (took[count / 2], took[count * 99 / 100]);
    println!("{what}: {count} searches, p50 {p50:?}, p99 {p99:?}, longest {longest:?}");
}

#[test]
fn evenly_and_for_the_least_bytes() {
    let settings = [("seal_after", "1s")];
    let mut cluster = Sandbox::start_with(1, 3, &settings);
    let api = cluster.api();
    let toll = Mutex::new(fill(&api));
    make_the_log_short(&mut cluster);
    let end = Until::default();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        for seed in 2..4 {
            let (end, api, toll) = (&end, &api, &toll);
            scope.spawn(move || search_until(end, api, seeded(seed), toll));
        }
        scope.spawn(|| write_paced_until(&end, &api, "writer", seeded(4), &toll, Pace::GENTLE));
        thread::sleep(Duration::from_secs(3));
        tell("three nodes", &toll);

        let three = Shares::of(&api.try_cluster().unwrap());
        for number in 4..=6 {
            let node = cluster.shard_node(number);
            let node = settings
                .iter()
                .fold(node, |node, (key, value)| node.set(key, value));
            cluster.shards.push(node);
        }
        cluster.shards[3..].iter_mut().for_each(Vectra::spawn);
        cluster.shards[3..]
            .iter_mut()
            .for_each(Vectra::wait_until_online);
        wait_for_nodes(&api, 6);
        wait_for_placement(&api, "six nodes have their shares", |placement| {
            placement.is_replicated(3)
                && spread(&placement.held) == 0
                && spread(&placement.led) == 0
        });
        tell("three become six", &toll);
        let six = settled_shares(&api);
        six.assert_even(EVEN);
        six.assert_little_was_sent_since(&three, OVER_THE_LEAST);

        let url = cluster.coordinators[0].url();
        let known = api.try_cluster().unwrap();
        let leaving = cluster.shards[..3]
            .iter()
            .map(|node| node.grpc().to_string());
        let leaving: Vec<String> = leaving.collect();
        // At once: what leaves one must not go to another that is to leave as well.
        thread::scope(|scope| {
            for node in &leaving {
                scope.spawn(|| run_well(&["shard", "drain", node, "--url", &url]));
            }
        });
        let leaving: BTreeSet<u64> = leaving
            .iter()
            .filter_map(|node| node_at(&known, node))
            .collect();
        wait_for_placement(&api, "three nodes are empty", |placement| {
            let stay = placement
                .led
                .iter()
                .filter(|(node, _)| !leaving.contains(node));
            let stay = stay.map(|(node, led)| (*node, *led)).collect();
            placement.is_replicated(3)
                && leaving.iter().all(|node| placement.held[node] == 0)
                && spread(&stay) == 0
        });
        tell("six become three", &toll);
        let again = settled_shares(&api).without(&leaving);
        again.assert_even(EVEN);
        again.assert_little_was_sent_since(&six, OVER_THE_LEAST);
        cluster.shards[..3].iter_mut().for_each(Vectra::stop);
        thread::sleep(Duration::from_secs(1));
        tell("three nodes are gone", &toll);
    });
    let mut toll = toll.into_inner().unwrap();
    assert_eq!(toll.failed_searches, Vec::<String>::new());
    assert_eq!(toll.failed_writes, Vec::<String>::new());
    toll.model.settle(&api);
}
