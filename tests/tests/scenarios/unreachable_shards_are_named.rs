//! Shards without a reachable quorum: 503 with `Retry-After`, and the shards by number, or what the
//! others have, if the search allows that.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vectra_tests::http::read_hit;
use vectra_tests::placement::node_at;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn with_every_shard_node_gone_and_back() {
    let mut cluster = Sandbox::start(1, 3);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(5), 100, 16);
    let ids = numbered("row-", 100);
    api.ingest(&ids, &vectors);

    for shard in &mut cluster.shards {
        shard.kill();
    }
    let search = json!({"vector": vectors[0], "k": 3});
    let ingest = json!({"vectors": [vectors[0]], "ids": ["late"]});
    for (path, body) in [("/search", &search), ("/ingest", &ingest)] {
        let problem = eventually(&format!("{path} is answered 503"), || {
            let answer = api.try_post(path, body)?;
            if answer.status == 503 {
                Ok(answer.problem(503))
            } else {
                Err(answer.describe())
            }
        });
        let shards = problem["shards"]
            .as_array()
            .map(Vec::len)
            .unwrap_or_default();
        assert!(shards > 0, "{path} names no shard: {problem}");
    }
    assert_eq!(
        api.get("/health").status,
        200,
        "the coordinator itself is well"
    );

    for shard in &mut cluster.shards {
        shard.restart();
    }
    eventually("everything is back", || {
        let answer = api.try_search(&vectors[0], 100)?;
        let late = usize::from(answer.hits.iter().any(|hit| hit.id == "late"));
        let found = answer.hits.len() - late;
        if found >= 99 {
            Ok(())
        } else {
            Err(format!("{found} of 100"))
        }
    });
}

#[test]
fn before_any_shard_node_has_joined() {
    let cluster = Sandbox::start(1, 0);
    let api = cluster.api();
    let ingest = json!({"vectors": [[1, 2, 3]], "ids": ["early"]});
    let problem = api.post("/ingest", &ingest).problem(503);
    assert!(problem.to_string().contains("shard"), "{problem}");
}

#[test]
fn a_search_that_allows_it_is_answered_without_them() {
    let settings = [("shards", "4"), ("replicas", "1"), ("http.timeout", "5s")];
    let mut cluster = Sandbox::start_with(1, 2, &settings);
    let api = cluster.api();
    let vectors = random_vectors(&mut seeded(8), 200, 16);
    let ids = numbered("row-", 200);
    api.ingest(&ids, &vectors);
    let search = json!({"vector": vectors[0], "k": 200, "allow_partial": true});
    let whole = api.post("/search", &search).json();
    assert_eq!(found_ids(&whole).len(), 200, "{whole}");
    assert!(whole.get("partial").is_none(), "{whole}");

    let state = api.try_cluster().expect("the cluster");
    let lost = node_at(&state, &cluster.shards[0].grpc().to_string());
    let lost = lost.expect("a node of the cluster");
    let shards = state["shards"].as_array().expect("shards");
    let on_it = |shard: &&Value| shard["replicas"] == json!([lost]);
    let missing: Vec<&Value> = shards.iter().filter(on_it).map(|one| &one["id"]).collect();
    assert!(!missing.is_empty() && missing.len() < 4, "{state}");
    cluster.shards[0].kill();

    let partial = api.post("/search", &search);
    assert_eq!(partial.status, 200, "{}", partial.describe());
    let partial = partial.json();
    assert_eq!(partial["partial"], true, "{partial}");
    assert_eq!(partial["missing_shards"], json!(missing), "{partial}");
    assert_eq!(partial["certified"], false, "nothing is proven: {partial}");
    let left = found_ids(&partial);
    assert!(!left.is_empty() && left.len() < 200, "{partial}");
    assert!(left.is_subset(&found_ids(&whole)), "{partial}");

    let strict = json!({"vector": vectors[0], "k": 200});
    let problem = api.post("/search", &strict).problem(503);
    assert_eq!(problem["shards"], json!(missing), "{problem}");

    cluster.shards[0].restart();
    eventually("the whole is back", || {
        let answer = api.try_post("/search", &search)?.json();
        if answer == whole {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
}

fn found_ids(answer: &Value) -> BTreeSet<String> {
    let results = answer["results"].as_array().expect("results");
    results.iter().map(|hit| read_hit(hit).id).collect()
}
