//! The two examples that users copy: Python with `requests`, and two calls of `curl`.

use std::process::{Command, Output};

use serde_json::{Value, json};
use vectra_tests::http::Api;
use vectra_tests::process::Vectra;
use vectra_tests::python;
use vectra_tests::sandbox::Sandbox;
use vectra_tests::skip::skipped;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/published.py");

#[test]
fn python_against_one_process() {
    let server = Vectra::serve().start();
    run_published_python(&server.url());
}

#[test]
fn python_against_a_cluster() {
    let cluster = Sandbox::start(3, 3);
    run_published_python(cluster.api().base());
}

#[test]
fn curl_against_one_process() {
    let server = Vectra::serve().start();
    run_published_curl(&server.url());
}

#[test]
fn curl_against_a_cluster() {
    let cluster = Sandbox::start(3, 3);
    run_published_curl(cluster.api().base());
}

fn run_published_python(url: &str) {
    let python = match python::with_requests() {
        Ok(python) => python,
        Err(why) => return skipped("the published Python example", &why),
    };
    let output = Command::new(python)
        .arg(PUBLISHED)
        .arg(url)
        .env("NO_PROXY", "*")
        .output()
        .expect("python3 starts");
    let printed = printed_by(&output);
    let mut lines = printed.lines();
    let ingested = lines.next().unwrap_or_default();
    assert!(ingested.starts_with("201 "), "{printed}");
    assert!(ingested.contains("'status': 'indexed'"), "{printed}");
    assert!(ingested.contains("'count': 1000"), "{printed}");
    let searched = lines.next().unwrap_or_default();
    assert!(searched.starts_with("200 "), "{printed}");
    assert_eq!(searched.matches("'id': 'vec_").count(), 5, "{printed}");
    assert_eq!(searched.matches("'score': ").count(), 5, "{printed}");
    Api::new(url).wait_for_items(1_000);
}

fn run_published_curl(url: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        skipped("the published curl example", "curl is not here");
        return;
    }
    let ingested = curl(
        &format!("{url}/ingest"),
        r#"{"vectors": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "ids": ["item_1", "item_2"]}"#,
    );
    assert_eq!(ingested["status"], "indexed");
    assert_eq!(ingested["count"], 2);

    let searched = curl(
        &format!("{url}/search"),
        r#"{"vector": [0.1, 0.2, 0.3], "k": 2}"#,
    );
    let results = searched["results"].as_array().expect("results is a list");
    let ids: Vec<&Value> = results.iter().map(|hit| &hit["id"]).collect();
    assert_eq!(ids, [&json!("item_1"), &json!("item_2")]);
    let scores: Vec<f64> = results
        .iter()
        .map(|hit| hit["score"].as_f64().unwrap())
        .collect();
    assert!((scores[0] - 1.0).abs() < 1e-6, "{searched}");
    assert!((scores[1] - 0.974_631_846).abs() < 1e-6, "{searched}");
}

fn curl(url: &str, body: &str) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-X", "POST", url])
        .args(["-H", "Content-Type: application/json", "-d", body])
        .output()
        .expect("curl starts");
    let printed = printed_by(&output);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn printed_by(output: &Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaints}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
