//! A leader whose followers are gone for longer than an election takes does not take writes that nobody
//! can agree on, to leave their outcome open: it refuses them, and what was refused never happened.

use serde_json::json;
use vectra_tests::sandbox::{Sandbox, wait_for_leaders};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn and_what_it_refused_never_happens() {
    let mut cluster = Sandbox::start_with(1, 3, &[("shards", "1")]);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(41), 40, 8);
    let ids = numbered("row-", 40);
    api.ingest(&ids, &vectors);
    wait_for_leaders(&api);

    let leader = api.try_cluster().unwrap()["shards"][0]["leader"].clone();
    let address = |node: &serde_json::Value| {
        let cluster = api.try_cluster().unwrap();
        let nodes = cluster["nodes"].as_array().unwrap();
        let found = nodes.iter().find(|known| known["id"] == *node).unwrap();
        found["grpc"].as_str().unwrap().to_owned()
    };
    let leader = address(&leader);
    for shard in &mut cluster.shards {
        if shard.grpc().to_string() != leader {
            shard.kill();
        }
    }
    let mut refused = Vec::new();
    let mut number = 0;
    eventually(
        "three writes in a row are refused, not lost sight of",
        || {
            refused.clear();
            for _ in 0..3 {
                // Never twice the same: what was lost sight of may happen yet.
                number += 1;
                let id = format!("written-{number}");
                let write = json!({"ids": [id], "vectors": [vectors[0]]});
                let problem = api.try_post("/ingest", &write)?.problem(503);
                let kind = problem["type"].as_str().unwrap_or_default();
                if !kind.ends_with("#unavailable") {
                    return Err(problem.to_string());
                }
                refused.push(id);
            }
            Ok(())
        },
    );

    for shard in &mut cluster.shards {
        if shard.grpc().to_string() != leader {
            shard.restart();
        }
    }
    api.ingest(&["after".to_owned()], &vectors[..1]);
    let found = api.search(&vectors[0], 1_000);
    assert!(found.hits.iter().any(|hit| hit.id == "after"));
    for id in &refused {
        assert_eq!(api.fetch(id), None, "{id}");
        assert!(found.hits.iter().all(|hit| hit.id != *id), "{id}");
    }
}
