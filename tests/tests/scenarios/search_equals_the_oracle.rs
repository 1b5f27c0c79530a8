//! Every search answers what brute force in float64 answers, and says that it is proven.

use std::collections::BTreeMap;

use vectra_tests::http::Api;
use vectra_tests::oracle::{assert_in_order, assert_true_top_k};
use vectra_tests::process::Vectra;
use vectra_tests::vectors::{clustered_vectors, numbered, random_vector, random_vectors, seeded};

type Rows = BTreeMap<String, Vec<f32>>;

/// Small enough that each shard seals several segments of these data.
const SEAL: &str = "128KiB";

fn put(api: &Api, rows: &mut Rows, ids: &[String], vectors: &[Vec<f32>]) {
    for (ids, vectors) in ids.chunks(700).zip(vectors.chunks(700)) {
        api.ingest(ids, vectors);
    }
    rows.extend(ids.iter().cloned().zip(vectors.iter().cloned()));
}

fn check(api: &Api, rows: &Rows, queries: &[Vec<f32>]) {
    for query in queries {
        for k in [1, 5, 37, 100] {
            assert_true_top_k(rows, query, k, &api.search(query, k));
        }
    }
}

/// Random or clustered data of one dimension, checked as it grows, shrinks, changes and restarts.
fn through_a_life(seed: u64, count: usize, dimension: usize, clustered: bool) {
    let mut random = seeded(seed);
    let make = if clustered {
        clustered_vectors
    } else {
        random_vectors
    };
    let mut server = Vectra::serve().set("seal_bytes", SEAL).start();
    let api = server.api();
    let mut rows = Rows::new();

    let vectors = make(&mut random, count, dimension);
    let mut queries = random_vectors(&mut random, 6, dimension);
    queries.extend(vectors.iter().take(6).cloned());
    put(&api, &mut rows, &numbered("row-", count), &vectors);
    check(&api, &rows, &queries);

    let gone: Vec<String> = (0..count).step_by(3).map(|n| format!("row-{n}")).collect();
    assert_eq!(api.delete(&gone), gone.len() as u64);
    rows.retain(|id, _| !gone.contains(id));
    check(&api, &rows, &queries);

    let replaced: Vec<String> = (1..count).step_by(5).map(|n| format!("row-{n}")).collect();
    let replacements = make(&mut random, replaced.len(), dimension);
    put(&api, &mut rows, &replaced, &replacements);
    check(&api, &rows, &queries);

    server.stop();
    server.restart();
    check(&api, &rows, &queries);
    let far = vec![vec![1e-3; dimension], random_vector(&mut random, dimension)];
    check(&api, &rows, &far);
}

#[test]
fn random_data_of_3_dimensions() {
    through_a_life(1, 2_000, 3, false);
}

#[test]
fn random_data_of_37_dimensions() {
    through_a_life(2, 2_000, 37, false);
}

#[test]
fn random_data_of_384_dimensions() {
    through_a_life(3, 1_500, 384, false);
}

#[test]
fn clustered_data_of_3_dimensions() {
    through_a_life(4, 2_000, 3, true);
}

#[test]
fn clustered_data_of_37_dimensions() {
    through_a_life(5, 2_000, 37, true);
}

#[test]
fn clustered_data_of_384_dimensions() {
    through_a_life(6, 1_500, 384, true);
}

#[test]
fn vectors_of_every_length_are_compared_by_direction() {
    let server = Vectra::serve().set("seal_bytes", SEAL).start();
    let api = server.api();
    let mut rows = Rows::new();
    let mut random = seeded(7);
    let scales = [1e-30, 1e-10, 1.0, 1e10, 1e30];
    let mut vectors = random_vectors(&mut random, 1_000, 24);
    for (row, vector) in vectors.iter_mut().enumerate() {
        for value in vector {
            *value *= scales[row % scales.len()];
        }
    }
    put(&api, &mut rows, &numbered("row-", 1_000), &vectors);
    let queries: Vec<Vec<f32>> = vectors.iter().take(15).cloned().collect();
    check(&api, &rows, &queries);
}

#[test]
fn equal_vectors_are_answered_in_order_of_id() {
    let server = Vectra::serve().start();
    let api = server.api();
    let ids = numbered("twin-", 300);
    api.ingest(&ids, &vec![vec![0.3, -0.7, 0.2, 0.9]; 300]);
    let mut expected = ids;
    expected.sort();
    for k in [1, 10, 299, 300, 10_000] {
        let answer = api.search(&[0.1, -0.7, 0.25, 0.8], k);
        assert_in_order(&answer.hits);
        let found: Vec<&String> = answer.hits.iter().map(|hit| &hit.id).collect();
        let first: Vec<&String> = expected.iter().take(k).collect();
        assert_eq!(found, first, "k {k}");
    }
}

#[test]
fn an_empty_server_finds_nothing() {
    let server = Vectra::serve().start();
    let api = server.api();
    assert!(api.search(&[1.0, 2.0], 5).hits.is_empty());
    api.ingest(&["a".to_owned()], &[vec![1.0, 2.0, 3.0]]);
    assert_eq!(api.delete(&["a".to_owned()]), 1);
    assert!(api.search(&[1.0, 2.0, 3.0], 5).hits.is_empty());
}

#[test]
fn sq8_answers_a_ranking_of_its_own_with_high_recall() {
    let server = Vectra::serve().set("seal_bytes", SEAL).start();
    let api = server.api();
    let vectors = random_vectors(&mut seeded(8), 3_000, 64);
    let mut rows = Rows::new();
    put(&api, &mut rows, &numbered("row-", 3_000), &vectors);
    let mut shared = 0;
    for query in random_vectors(&mut seeded(9), 20, 64) {
        let truth = api.search(&query, 10);
        let body = serde_json::json!({"vector": query, "k": 10, "precision": "sq8"});
        let answer = api.post("/search", &body);
        assert_eq!(answer.status, 200, "{}", answer.describe());
        let text = answer.json()["results"].to_string();
        shared += truth
            .hits
            .iter()
            .filter(|hit| text.contains(&format!("{:?}", hit.id)))
            .count();
    }
    assert!(
        shared >= 160,
        "{shared} of 200 true neighbours found by sq8"
    );
}
