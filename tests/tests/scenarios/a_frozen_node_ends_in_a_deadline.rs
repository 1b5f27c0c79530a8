//! A process that is there and answers nothing (SIGSTOP): the request ends at `http.timeout`.

use std::time::Instant;

use serde_json::json;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::{PATIENCE, eventually};

#[test]
fn with_the_only_shard_node_frozen_and_thawed() {
    let cluster = Sandbox::start_with(1, 1, &[("http.timeout", "2s")]);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(6), 50, 16);
    api.ingest(&numbered("row-", 50), &vectors);

    cluster.shards[0].freeze();
    let search = json!({"vector": vectors[0], "k": 3});
    let ingest = json!({"vectors": [vectors[1]], "ids": ["row-1"]});
    for (path, body) in [("/search", &search), ("/ingest", &ingest)] {
        let start = Instant::now();
        let answer = api.post(path, body);
        assert!(
            start.elapsed() < PATIENCE / 2,
            "{path} took {:?}",
            start.elapsed()
        );
        // Told apart by what was known at the end: nothing (504), or that no node is there (503).
        let expected = if answer.status == 503 { 503 } else { 504 };
        answer.problem(expected);
    }
    assert_eq!(api.get("/health").status, 200);

    cluster.shards[0].thaw();
    eventually("it answers again", || {
        let found = api.try_search(&vectors[0], 50)?.hits.len();
        if found == 50 {
            Ok(())
        } else {
            Err(format!("{found} rows"))
        }
    });
}
