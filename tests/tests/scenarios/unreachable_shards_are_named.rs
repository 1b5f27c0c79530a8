//! Shards without a reachable quorum: 503 with `Retry-After`, and the shards by number.

use serde_json::json;
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
