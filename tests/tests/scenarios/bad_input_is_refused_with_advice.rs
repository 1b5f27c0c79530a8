//! Bad input, as a careless client sends it: refused with a status and a message that says what to
//! change; nothing is changed by it, and the server goes on answering.

use serde_json::{Value, json};
use vectra_tests::http::Api;
use vectra_tests::process::Vectra;

const JSON: &str = "application/json";

/// A server that holds `kept`, of 3 dimensions.
fn server_with_one_vector() -> (Vectra, Api) {
    let server = Vectra::serve().start();
    let api = server.api();
    api.ingest(&["kept".to_owned()], &[vec![1.0, 2.0, 3.0]]);
    (server, api)
}

/// Sends `body`, expects 400 with all of `words` in what it says, and that nothing was changed.
#[track_caller]
fn refused(api: &Api, path: &str, body: impl Into<Vec<u8>>, words: &[&str]) -> Value {
    let problem = api.post_bytes(path, JSON, body.into()).problem(400);
    let said = problem.to_string().to_lowercase();
    for word in words {
        assert!(
            said.contains(&word.to_lowercase()),
            "no {word:?} in {problem}"
        );
    }
    assert_eq!(
        api.items(),
        1,
        "a refused request changed something: {problem}"
    );
    problem
}

#[test]
fn malformed_json_is_refused_with_its_position() {
    let (_server, api) = server_with_one_vector();
    for path in ["/ingest", "/search", "/delete"] {
        refused(&api, path, r#"{"vectors": [[1.0, 2"#, &["line 1", "column"]);
        refused(&api, path, "", &["json"]);
        refused(&api, path, "not json", &["line 1"]);
        refused(&api, path, "[]", &[]);
        refused(&api, path, "null", &[]);
        refused(&api, path, "{}", &[]);
        refused(&api, path, b"{\"ids\": [\"\xff\xfe\"]}".to_vec(), &[]);
    }
    refused(
        &api,
        "/search",
        r#"{"vector": [1, 2, 3]} {"again": 1}"#,
        &["line 1"],
    );
    refused(
        &api,
        "/search",
        "{\n  \"vector\": [1,\n 2,, 3]}",
        &["line 3"],
    );
}

#[test]
fn ten_megabytes_of_brackets_are_refused() {
    let (_server, api) = server_with_one_vector();
    for path in ["/ingest", "/search", "/delete"] {
        refused(&api, path, vec![b'['; 10 << 20], &[]);
        let mut inside = br#"{"vectors": "#.to_vec();
        inside.extend(vec![b'['; 10 << 20]);
        refused(&api, path, inside, &[]);
        let objects = br#"{"vectors":"#.repeat(1 << 20);
        refused(&api, path, objects, &[]);
    }
}

#[test]
fn wrong_shapes_of_an_ingest_are_refused() {
    let (_server, api) = server_with_one_vector();
    let ingest = |body: &str, words: &[&str]| refused(&api, "/ingest", body, words);
    ingest(r#"{"vectors": [[1, 2, "3"]], "ids": ["a"]}"#, &["number"]);
    ingest(r#"{"vectors": [[1, 2, null]], "ids": ["a"]}"#, &["null"]);
    ingest(r#"{"vectors": [[1, 2, [3]]], "ids": ["a"]}"#, &[]);
    ingest(r#"{"vectors": [1, 2, 3], "ids": ["a"]}"#, &["vectors[0]"]);
    ingest(r#"{"vectors": {"a": [1, 2, 3]}, "ids": ["a"]}"#, &[]);
    ingest(r#"{"vectors": "1,2,3", "ids": ["a"]}"#, &[]);
    ingest(r#"{"vectors": [[1, 2, 3]], "ids": [7]}"#, &["quote"]);
    ingest(r#"{"vectors": [[1, 2, 3]], "ids": "a"}"#, &[]);
    ingest(r#"{"vectors": [[1, 2, 3]]}"#, &["ids"]);
    ingest(r#"{"ids": ["a"]}"#, &["vectors"]);
    ingest(r#"{"vectors": [], "ids": []}"#, &[]);
    ingest(r#"{"vectors": [[]], "ids": ["a"]}"#, &[]);
    ingest(
        r#"{"vectors": [[1, 2, 3]], "ids": ["a", "b"]}"#,
        &["1", "2"],
    );
    ingest(
        r#"{"vectors": [[1, 2, 3], [1, 2, 3]], "ids": ["a"]}"#,
        &["1", "2"],
    );
    ingest(
        r#"{"vectors": [[1, 2, 3]], "ids": ["a"], "metadata": {}}"#,
        &["metadata"],
    );
    ingest(
        r#"{"vectors": [[1, 2, 3]], "ids": ["a"], "ids": ["b"]}"#,
        &["ids"],
    );
    ingest(
        r#"{"vectors": [[1, 2, 3], [1, 2]], "ids": ["a", "b"]}"#,
        &[],
    );
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let (_server, api) = server_with_one_vector();
    for value in ["NaN", "Infinity", "-Infinity", "nan", "inf"] {
        refused(
            &api,
            "/search",
            format!(r#"{{"vector": [1, {value}, 3]}}"#),
            &["line 1"],
        );
        let body = format!(r#"{{"vectors": [[1, {value}, 3]], "ids": ["a"]}}"#);
        refused(&api, "/ingest", body, &["line 1"]);
    }
    for value in ["1e39", "-1e39", "1e400", "3.5e38"] {
        refused(
            &api,
            "/search",
            format!(r#"{{"vector": [1, {value}, 3]}}"#),
            &["finite"],
        );
        let body = format!(r#"{{"vectors": [[1, 2, 3], [1, {value}, 3]], "ids": ["a", "b"]}}"#);
        let problem = refused(&api, "/ingest", body, &["finite"]);
        assert_eq!(problem["index"], 1, "{problem}");
    }
}

#[test]
fn a_wrong_dimension_is_refused_with_both_numbers() {
    let (_server, api) = server_with_one_vector();
    let long = json!({"vectors": [[1, 2, 3, 4]], "ids": ["a"]}).to_string();
    let problem = refused(&api, "/ingest", long, &["dimension"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(3), &json!(4)),
        "{problem}"
    );
    let mixed = json!({"vectors": [[1, 2, 3], [1, 2, 3, 4]], "ids": ["a", "b"]}).to_string();
    let problem = refused(&api, "/ingest", mixed, &["dimension"]);
    assert_eq!(problem["index"], 1, "{problem}");
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(3), &json!(4)),
        "{problem}"
    );
    let problem = refused(&api, "/search", r#"{"vector": [1, 2]}"#, &["dimension"]);
    assert_eq!(
        (&problem["expected"], &problem["got"]),
        (&json!(3), &json!(2)),
        "{problem}"
    );
}

#[test]
fn zero_vectors_and_impossible_ids_are_refused() {
    let (_server, api) = server_with_one_vector();
    let zero = json!({"vectors": [[1, 2, 3], [0, -0.0, 0]], "ids": ["a", "b"]}).to_string();
    let problem = refused(&api, "/ingest", zero, &["zero"]);
    assert_eq!(
        (&problem["index"], &problem["id"]),
        (&json!(1), &json!("b")),
        "{problem}"
    );
    refused(
        &api,
        "/ingest",
        r#"{"vectors": [[1e-60, 0, 0]], "ids": ["a"]}"#,
        &["zero"],
    );
    refused(&api, "/search", r#"{"vector": [0, 0, 0]}"#, &["zero"]);
    for id in [
        String::new(),
        "x".repeat(513),
        "x".repeat(10_000),
        "é".repeat(257),
    ] {
        let body = json!({"vectors": [[1, 2, 3]], "ids": [id]}).to_string();
        refused(&api, "/ingest", body, &["512"]);
        refused(&api, "/delete", json!({"ids": [id]}).to_string(), &["512"]);
    }
    refused(&api, "/delete", r#"{"ids": []}"#, &[]);
    refused(&api, "/delete", r#"{"ids": [1]}"#, &["quote"]);
}

#[test]
fn an_impossible_k_is_refused() {
    let (_server, api) = server_with_one_vector();
    for k in [
        "0",
        "-1",
        "10001",
        "1000000000",
        "1e9",
        "2.5",
        "99999999999999999999",
    ] {
        let body = format!(r#"{{"vector": [1, 2, 3], "k": {k}}}"#);
        refused(&api, "/search", body, &["k", "10"]);
    }
    for k in ["\"5\"", "null", "[5]", "true"] {
        refused(
            &api,
            "/search",
            format!(r#"{{"vector": [1, 2, 3], "k": {k}}}"#),
            &["k"],
        );
    }
    refused(
        &api,
        "/search",
        r#"{"vector": [1, 2, 3], "precision": "fast"}"#,
        &["exact", "sq8"],
    );
    refused(
        &api,
        "/search",
        r#"{"vector": [1, 2, 3], "consistency": "eventual"}"#,
        &["leader", "linearizable", "any"],
    );
    refused(
        &api,
        "/search",
        r#"{"vector": [1, 2, 3], "allow_partial": "yes"}"#,
        &["allow_partial", "true or false"],
    );
    let problem = api.get("/vectors/kept?consistency=eventual").problem(400);
    assert!(problem.to_string().contains("linearizable"), "{problem}");
    refused(
        &api,
        "/search",
        r#"{"vector": [1, 2, 3], "top_k": 5}"#,
        &["top_k"],
    );
    refused(&api, "/search", r#"{"k": 5}"#, &["vector"]);
}

#[test]
fn a_fresh_server_is_not_fixed_to_a_dimension_by_a_refused_ingest() {
    let server = Vectra::serve().start();
    let api = server.api();
    let mixed = json!({"vectors": [[1, 2], [1, 2, 3]], "ids": ["a", "b"]});
    api.post("/ingest", &mixed).problem(400);
    let huge = json!({"vectors": [vec![1; 4_097]], "ids": ["a"]});
    api.post("/ingest", &huge).problem(400);
    assert_eq!(api.items(), 0);
    api.ingest(&["a".to_owned()], &[vec![1.0, 2.0, 3.0, 4.0]]);
}
