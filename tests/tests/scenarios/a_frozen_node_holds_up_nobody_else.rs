//! One of three shard nodes stands still (SIGSTOP) while many searches wait for it. Whoever does not need
//! it is answered all the same, and not told that the server is busy.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};
use vectra_tests::http::Api;
use vectra_tests::placement::{node_at, wait_for_placement};
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

const IDS: usize = 90;
/// More than a node is asked for at once at first.
const WAITING: usize = 100;

fn rows_by_node(cluster: &Value) -> BTreeMap<u64, u64> {
    let mut rows = BTreeMap::new();
    for shard in cluster["shards"].as_array().unwrap() {
        for node in shard["replicas"].as_array().unwrap() {
            *rows.entry(node.as_u64().unwrap()).or_default() += shard["rows"].as_u64().unwrap();
        }
    }
    rows
}

#[test]
fn where_each_shard_has_one_replica() {
    let settings = [("shards", "6"), ("replicas", "1")];
    let cluster = Sandbox::start_with(1, 3, &settings);
    let api = cluster.api();
    let (ids, vectors) = (
        numbered("row-", IDS),
        random_vectors(&mut seeded(61), IDS, 8),
    );
    api.ingest(&ids, &vectors);
    wait_for_placement(&api, "two shards on each node", |placement| {
        placement.is_replicated(1) && placement.held.values().all(|held| *held == 2)
    });
    api.wait_for_items(IDS as u64);
    let placed = api.try_cluster().unwrap();
    let frozen = node_at(&placed, &cluster.shards[0].grpc().to_string()).expect("its id");
    let rows = rows_by_node(&placed);
    let elsewhere = IDS - rows[&frozen] as usize;
    assert!(elsewhere > 0 && elsewhere < IDS, "{rows:?}");

    cluster.shards[0].freeze();
    let search = json!({"vector": vectors[0], "k": IDS});
    thread::scope(|scope| {
        for _ in 0..WAITING {
            scope.spawn(|| {
                let answer = api.post("/search", &search);
                assert_ne!(answer.status, 200, "nobody can answer for a frozen shard");
                assert_ne!(answer.status, 429, "{}", answer.describe());
            });
        }
        let fetched: Vec<_> = ids
            .iter()
            .map(|id| scope.spawn(|| api.try_fetch(id)))
            .collect();
        let found = fetched
            .into_iter()
            .map(|fetch| fetch.join().unwrap())
            .filter(|fetch| matches!(fetch, Ok(Some(_))))
            .count();
        assert_eq!(found, elsewhere, "rows of the other nodes");

        let partial = json!({"vector": vectors[0], "k": IDS, "allow_partial": true});
        let answer = api.post("/search", &partial);
        assert_eq!(answer.status, 200, "{}", answer.describe());
        let answer = answer.json();
        assert_eq!(answer["results"].as_array().map(Vec::len), Some(elsewhere));
        assert_eq!(answer["missing_shards"].as_array().map(Vec::len), Some(2));
    });
    cluster.shards[0].thaw();
}

#[test]
fn where_others_hold_the_same() {
    let cluster = Sandbox::start_with(1, 3, &[("shards", "6")]);
    let api = cluster.api();
    let (ids, vectors) = (
        numbered("row-", IDS),
        random_vectors(&mut seeded(62), IDS, 8),
    );
    api.ingest(&ids, &vectors);
    wait_for_placement(&api, "three replicas of each shard", |placement| {
        placement.is_replicated(3)
    });
    // What any of them tells may be some seconds old.
    eventually("all replicas hold the same", || {
        let digests = api.try_get("/cluster/digests")?.json();
        let shards = digests["shards"].as_array().cloned().unwrap_or_default();
        let all_do = !shards.is_empty() && shards.iter().all(|shard| shard["equal"] == true);
        all_do.then_some(()).ok_or_else(|| digests.to_string())
    });

    cluster.shards[0].freeze();
    let all_found = |api: &Api, consistency: &str| {
        let found = api.try_search_as(consistency, &vectors[0], IDS);
        let found = found.unwrap_or_else(|error| panic!("{consistency}: {error}"));
        assert_eq!(found["results"].as_array().map(Vec::len), Some(IDS));
    };
    thread::scope(|scope| {
        for consistency in ["any", "leader", "linearizable"] {
            for _ in 0..WAITING / 3 {
                scope.spawn(|| all_found(&api, consistency));
            }
        }
    });
    cluster.shards[0].thaw();
}
