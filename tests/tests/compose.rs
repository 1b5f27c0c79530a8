//! Vectra in containers, as `docker run` and `docker-compose up` start it. Where no Docker engine answers
//! this says so on standard error: these tests build the image, which takes minutes the first time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use vectra_tests::compose::{Compose, Container, docker_engine};
use vectra_tests::http::Api;
use vectra_tests::model::Model;
use vectra_tests::skip::skipped;
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

#[test]
fn the_image_alone_is_the_embedded_default() {
    if docker_engine().is_err() {
        return skipped("the image", "no Docker engine");
    }
    let container = Container::start();
    let api = container.api();
    the_published_example_answers(&api);
    assert_ne!(container.exec(&["id", "-u"]), "0", "not root");
    eventually("a healthy container", || {
        match container.inspect("{{.State.Health.Status}}").as_str() {
            "healthy" => Ok(()),
            other => Err(other.to_owned()),
        }
    });

    container.stop();
    assert_eq!(
        container.inspect("{{.State.ExitCode}}"),
        "0",
        "SIGTERM ends it orderly, before the kill"
    );
    container.start_again();
    let api = container.api();
    eventually("its volume remembers", || {
        match api.try_fetch("item_2")? {
            Some(vector) if vector == [0.4, 0.5, 0.6] => Ok(()),
            other => Err(format!("item_2 is {other:?}")),
        }
    });
}

#[test]
fn the_compose_cluster_serves_grows_and_remembers() {
    if docker_engine().is_err() {
        return skipped("the compose cluster", "no Docker engine");
    }
    let compose = match Compose::find() {
        Ok(compose) => compose,
        Err(reason) => return skipped("the compose cluster", &reason),
    };
    compose.up(&[]);
    for coordinator in ["coordinator-1", "coordinator-2", "coordinator-3"] {
        assert_eq!(compose.healthy(coordinator), 1);
    }
    assert_eq!(compose.healthy("shard"), 3);
    let api = compose.api();
    nodes_alive(&api, 3);

    the_published_example_answers(&api);
    assert_eq!(
        api.delete(&["item_1".to_owned(), "never_there".to_owned()]),
        1
    );
    assert_eq!(api.fetch("item_1"), None);
    let mut model = Model::default();
    model.ingested(&["item_2".to_owned()], &[vec![0.4, 0.5, 0.6]]);
    ingest(&api, &mut model, "before", 300);
    everything_is_found(&api, &mut model);

    compose.up(&["--scale", "shard=5"]);
    nodes_alive(&api, 5);
    assert_eq!(compose.healthy("shard"), 5);
    ingest(&api, &mut model, "grown", 100);
    everything_is_found(&api, &mut model);

    let one = compose.containers("shard").swap_remove(0);
    compose.restart(&one);
    ingest(&api, &mut model, "restarting", 100);
    nodes_alive(&api, 5);
    everything_is_found(&api, &mut model);

    let names = node_ids(&api);
    compose.down();
    compose.up(&["--scale", "shard=5"]);
    let api = compose.api();
    nodes_alive(&api, 5);
    assert_eq!(
        node_ids(&api),
        names,
        "each node finds its own directory again, none starts afresh"
    );
    everything_is_found(&api, &mut model);
    assert_eq!(api.fetch("item_1"), None, "deleted stays deleted");
}

fn the_published_example_answers(api: &Api) {
    let vectors =
        json!({"vectors": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "ids": ["item_1", "item_2"]});
    let answer = eventually("the first ingest", || {
        match api.try_post("/ingest", &vectors)? {
            answer if answer.status == 503 => Err(answer.describe()),
            answer => Ok(answer),
        }
    });
    assert_eq!(answer.status, 201, "{}", answer.describe());
    assert_eq!(answer.json(), json!({"status": "indexed", "count": 2}));
    let answer = api.post("/search", &json!({"vector": [0.1, 0.2, 0.3], "k": 2}));
    assert_eq!(answer.status, 200, "{}", answer.describe());
    let answer = answer.json();
    let ids: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| &hit["id"])
        .collect();
    assert_eq!(ids, [&json!("item_1"), &json!("item_2")]);
}

/// A write that a restart refused is tried again, as the contract tells clients to do.
fn ingest(api: &Api, model: &mut Model, prefix: &str, count: usize) {
    let ids = numbered(prefix, count);
    let vectors = random_vectors(&mut seeded(7), count, 3);
    let body = json!({"ids": ids, "vectors": vectors});
    eventually("an acknowledged ingest", || {
        match api.try_post("/ingest", &body)? {
            answer if answer.status == 201 => Ok(()),
            answer => Err(answer.describe()),
        }
    });
    model.ingested(&ids, &vectors);
}

fn everything_is_found(api: &Api, model: &mut Model) {
    let rows = model.rows();
    eventually("every shard has a leader", || {
        api.try_search(&[0.1, 0.2, 0.3], rows.len() + 10).map(drop)
    });
    model.settle(api);
    let found = api.search(&[0.1, 0.2, 0.3], rows.len() + 10);
    assert!(found.certified);
    let mut ids: Vec<&String> = found.hits.iter().map(|hit| &hit.id).collect();
    ids.sort();
    assert_eq!(ids, rows.keys().collect::<Vec<_>>());
}

fn nodes_alive(api: &Api, expected: usize) {
    eventually("all shard nodes alive", || {
        let cluster = api.try_cluster()?;
        let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
        let alive = nodes.iter().filter(|node| node["alive"] == true).count();
        if alive == expected && nodes.len() == expected {
            Ok(())
        } else {
            Err(cluster.to_string())
        }
    });
}

fn node_ids(api: &Api) -> Vec<u64> {
    let cluster = api.try_cluster().expect("GET /cluster");
    let mut ids: Vec<u64> = cluster["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_u64().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}
