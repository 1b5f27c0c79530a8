//! A collection outgrows its one shard while clients write and search, and nodes are killed in the
//! middle of splits: no search fails, nothing acknowledged is lost, and no id is found twice.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use vectra_tests::http::Api;
use vectra_tests::load::{Pace, Toll, search_until, write_paced_until};
use vectra_tests::oracle::assert_true_top_k;
use vectra_tests::placement::wait_for_placement;
use vectra_tests::process::Vectra;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders, wait_for_nodes};
use vectra_tests::until::Until;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::{eventually, eventually_within};

const DIMENSION: usize = 16;
const SPLIT_AT: usize = 150;

/// Splits come one after the other, and elections in between, on a machine that is busy.
const SPLITS: Duration = Duration::from_secs(180);

fn settings() -> [(&'static str, &'static str); 4] {
    [
        ("shards", "1"),
        ("split_at", "150"),
        ("seal_bytes", "16KiB"),
        ("seal_after", "1s"),
    ]
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Waits until nothing splits and no shard has more vectors than it may.
fn wait_until_all_have_split(api: &Api, least: usize) {
    eventually_within(SPLITS, "all shards have split", || {
        let cluster = api.try_cluster()?;
        let shards = list(&cluster["shards"]);
        let rows = shards.iter().filter_map(|shard| shard["rows"].as_u64());
        let are_small = rows.clone().all(|rows| rows <= SPLIT_AT as u64);
        if list(&cluster["splits"]).is_empty() && are_small && shards.len() >= least {
            Ok(())
        } else {
            Err(cluster.to_string())
        }
    });
}

/// The splits under way, each as (shard, child).
fn splits(cluster: &Value) -> BTreeSet<(u64, u64)> {
    let of = |split: &Value, key: &str| split[key].as_u64().unwrap_or_default();
    list(&cluster["splits"])
        .iter()
        .map(|split| (of(split, "shard"), of(split, "child")))
        .collect()
}

fn fill(api: &Api, name: &str, rows: usize, toll: &Mutex<Toll>) {
    let ids = numbered(name, rows);
    let vectors = random_vectors(&mut seeded(rows as u64), rows, DIMENSION);
    for (ids, vectors) in ids.chunks(50).zip(vectors.chunks(50)) {
        api.ingest(ids, vectors);
        toll.lock().unwrap().model.ingested(ids, vectors);
    }
}

/// Searches for everything and fetches, until told to stop: rows that nobody touches are in every
/// answer, and no row is in one twice.
fn find_all_until(end: &Until, api: &Api, untouched: &[String]) {
    let mut fetched = untouched.iter().cycle();
    while !end.is_now() {
        let answer = api.try_search(&[1.0; DIMENSION], 10_000).unwrap();
        let found: BTreeSet<&String> = answer.hits.iter().map(|hit| &hit.id).collect();
        assert_eq!(found.len(), answer.hits.len(), "an id is found twice");
        let missing: Vec<&String> = untouched.iter().filter(|id| !found.contains(id)).collect();
        assert!(missing.is_empty(), "{missing:?} are not found");
        let id = fetched.next().unwrap();
        assert!(api.try_fetch(id).unwrap().is_some(), "{id} is not there");
    }
}

#[test]
fn under_load() {
    let cluster = Sandbox::start_with(2, 3, &settings());
    let api = cluster.api();
    let toll = Mutex::default();
    fill(&api, "first-", 100, &toll);
    let untouched = numbered("first-", 100);
    let end = Until::default();
    let apis: Vec<Api> = cluster.coordinators.iter().map(Vectra::api).collect();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        for (seed, api) in (1..).zip(&apis) {
            let (end, toll) = (&end, &toll);
            scope.spawn(move || search_until(end, api, seeded(seed), toll));
            let name = format!("writer-{seed}");
            scope.spawn(move || {
                write_paced_until(end, api, &name, seeded(10 + seed), toll, Pace::HARD);
            });
        }
        scope.spawn(|| find_all_until(&end, &apis[0], &untouched));
        wait_until_all_have_split(&api, 4);
    });
    let mut toll = toll.into_inner().unwrap();
    assert_eq!(toll.failed_searches, Vec::<String>::new());
    assert_eq!(toll.failed_writes, Vec::<String>::new());
    assert!(!toll.searches.is_empty());
    toll.model.settle(&api);
    // Replicas and leaders of the new shards are spread like those of others.
    wait_for_placement(&api, "three replicas each", |placement| {
        placement.is_replicated(3)
    });
}

#[test]
fn while_nodes_are_killed_in_the_middle() {
    let mut cluster = Sandbox::start_with(1, 3, &settings());
    let api = cluster.api();
    let toll = Mutex::default();
    fill(&api, "first-", 100, &toll);
    let untouched = numbered("first-", 100);
    let end = Until::default();
    let mut killed_in = BTreeSet::new();
    thread::scope(|scope| {
        let _end_after_all = end.dropped();
        let (end, api, toll) = (&end, &api, &toll);
        for seed in 1..3 {
            scope.spawn(move || search_until(end, api, seeded(seed), toll));
            let name = format!("writer-{seed}");
            scope.spawn(move || {
                write_paced_until(end, api, &name, seeded(10 + seed), toll, Pace::HARD);
            });
        }
        let untouched = &untouched;
        scope.spawn(move || find_all_until(end, api, untouched));
        for victim in 0..3 {
            let split = eventually_within(SPLITS, "a shard splits", || {
                let cluster = api.try_cluster()?;
                let new = splits(&cluster).difference(&killed_in).next().copied();
                new.ok_or_else(|| cluster.to_string())
            });
            cluster.shards[victim].kill();
            killed_in.insert(split);
            thread::sleep(Duration::from_secs(2));
            cluster.shards[victim].restart();
            wait_for_nodes(api, 3);
            if victim < 2 {
                // For the next one.
                fill(api, &format!("more-{victim}-"), 300, toll);
            }
        }
        wait_until_all_have_split(api, 4);
    });
    let mut toll = toll.into_inner().unwrap();
    assert_eq!(toll.failed_searches, Vec::<String>::new());
    assert!(!toll.searches.is_empty());
    toll.model.settle(&api);

    // Whoever is away, the others hold everything; and so do all after they were.
    for victim in 0..3 {
        cluster.shards[victim].kill();
        wait_for_leaders(&api);
        eventually("searches are answered", || {
            api.try_search(&[1.0; DIMENSION], 1).map(|_| ())
        });
        toll.model.settle(&api);
        cluster.shards[victim].restart();
        wait_for_nodes(&api, 3);
    }
    cluster.kill_all();
    cluster.start_all();
    let api = cluster.api();
    wait_for_leaders(&api);
    toll.model.settle(&api);
}

#[test]
fn of_a_single_process_that_is_killed_now_and_then() {
    let settings = settings();
    let server = settings.iter();
    let server = server.fold(Vectra::serve(), |server, (key, value)| {
        server.set(key, value)
    });
    let mut server = server.start();
    let api = server.api();
    let toll = Mutex::default();
    for round in 0..4 {
        fill(&api, &format!("round-{round}-"), 200, &toll);
        if round % 2 == 0 {
            eventually_within(SPLITS, "a shard splits or has split", || {
                let cluster = api.try_cluster()?;
                let has_split = list(&cluster["shards"]).len() > 1;
                if has_split || !splits(&cluster).is_empty() {
                    Ok(())
                } else {
                    Err(cluster.to_string())
                }
            });
        }
        server.kill();
        server.restart();
        wait_for_leaders(&api);
    }
    wait_until_all_have_split(&api, 6);
    let mut toll: Toll = toll.into_inner().unwrap();
    toll.model.settle(&api);
    let rows = toll.model.rows();
    for query in random_vectors(&mut seeded(99), 5, DIMENSION) {
        assert_true_top_k(&rows, &query, 10, &api.search(&query, 10));
    }
}
