//! `GET /metrics`: what a search, an ingest and a refusal leave behind, and what is told of a cluster.

use std::collections::BTreeMap;

use serde_json::json;
use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::raw::Connection;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

/// Every series by its name and labels.
#[track_caller]
fn scrape(api: &Api) -> BTreeMap<String, f64> {
    let answer = api.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.describe());
    let page = String::from_utf8(answer.body).expect("UTF-8");
    let series = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
    series.collect()
}

/// The series of a metric, whatever its labels.
fn all_of<'a>(series: &'a BTreeMap<String, f64>, metric: &str) -> Vec<(&'a str, f64)> {
    let labelled = format!("{metric}{{");
    let found = series
        .iter()
        .filter(|(name, _)| *name == metric || name.starts_with(&labelled));
    found.map(|(name, value)| (name.as_str(), *value)).collect()
}

#[test]
fn a_search_and_an_ingest_move_their_own_figures() {
    let server = Vectra::serve().start();
    let api = server.api();
    let before = scrape(&api);
    assert_eq!(before["vectra_vectors_ingested_total"], 0.0);
    assert_eq!(before["vectra_search_duration_seconds_count"], 0.0);

    let vectors = random_vectors(&mut seeded(1), 60, 8);
    api.ingest(&numbered("row-", 60), &vectors);
    for query in &vectors[..3] {
        api.search(query, 5);
    }
    assert_eq!(api.delete(&["row-1".to_owned(), "nothing".to_owned()]), 1);
    api.post("/search", &json!({"vector": [1, 2, 3]}))
        .problem(400);

    let after = scrape(&api);
    for (name, value) in [
        ("vectra_vectors_ingested_total", 60.0),
        ("vectra_vectors_deleted_total", 1.0),
        ("vectra_ingest_duration_seconds_count", 1.0),
        ("vectra_search_duration_seconds_count", 3.0),
        (
            r#"vectra_http_requests_total{route="/search",status="200"}"#,
            3.0,
        ),
        (
            r#"vectra_http_requests_total{route="/search",status="400"}"#,
            1.0,
        ),
        ("vectra_searches_waiting", 0.0),
        ("vectra_node_searches", 0.0),
        ("vectra_node_rows", 59.0),
        (r#"vectra_cluster_rows{collection="default"}"#, 59.0),
        ("vectra_cluster_moves", 0.0),
    ] {
        assert_eq!(after.get(name), Some(&value), "{name} in {after:#?}");
    }
    let seconds = after["vectra_search_duration_seconds_sum"];
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds} s");
    assert!(after["vectra_node_memory_bytes"] > 0.0, "{after:#?}");
}

#[test]
fn a_server_that_sheds_load_still_tells_how_much() {
    let server = Vectra::serve().set("http.max_in_flight", "1").start();
    let api = server.api();
    let head = "POST /ingest HTTP/1.1\r\nHost: vectra\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    let mut slow = Connection::open(server.http());
    assert!(
        slow.send(head.as_bytes()).is_continued(),
        "the slow request is not taken"
    );
    api.post("/search", &json!({"vector": [1, 2, 3]}))
        .problem(429);
    assert_eq!(scrape(&api)["vectra_requests_shed_total"], 1.0);
}

#[test]
fn a_coordinator_tells_of_the_cluster_and_a_node_of_itself() {
    let mut cluster = Sandbox::start(1, 2);
    let api = cluster.api();
    api.ingest(
        &numbered("row-", 60),
        &random_vectors(&mut seeded(2), 60, 8),
    );
    wait_for_leaders(&api);
    let status = api.try_cluster().expect("the cluster");
    let shards = status["shards"].as_array().expect("shards").len() as f64;

    let told = scrape(&api);
    assert_eq!(told["vectra_cluster_shards"], shards);
    assert_eq!(told["vectra_cluster_shards_without_leader"], 0.0);
    let alive = all_of(&told, "vectra_cluster_node_alive");
    assert_eq!(alive.len(), 2, "{told:#?}");
    assert!(alive.iter().all(|(_, alive)| *alive == 1.0), "{alive:?}");
    let leaders = all_of(&told, "vectra_cluster_node_leaders");
    let sum: f64 = leaders.iter().map(|(_, count)| count).sum();
    assert_eq!(sum, shards, "{leaders:?}");
    assert!(all_of(&told, "vectra_node_rows").is_empty(), "{told:#?}");

    let nodes: Vec<_> = cluster
        .shards
        .iter()
        .map(|node| scrape(&node.api()))
        .collect();
    let total = |metric: &str| nodes.iter().map(|node| node[metric]).sum::<f64>();
    assert_eq!(total("vectra_node_replicas"), shards, "{nodes:#?}");
    assert_eq!(total("vectra_node_rows"), 60.0, "{nodes:#?}");
    assert!(all_of(&nodes[0], "vectra_cluster_shards").is_empty());

    let gone = cluster.shards[1].grpc().to_string();
    cluster.shards[1].kill();
    eventually("the dead node is told of", || {
        let told = scrape(&api);
        let alive = all_of(&told, "vectra_cluster_node_alive");
        let dead = alive
            .iter()
            .any(|(name, alive)| name.contains(&gone) && *alive == 0.0);
        if dead {
            Ok(())
        } else {
            Err(format!("{alive:?}"))
        }
    });
}
