use serde_json::{Value, json};

use super::*;
use crate::report::Occasion;

fn run(qps: f64, p50_ms: f64) -> Value {
    json!({
        "qps": qps, "p50_ms": p50_ms, "p99_ms": p50_ms * 2.0, "max_ms": 50.0, "errors": 0,
        "recall": 1.0, "certified": 1.0, "server_cpu_per_query": 0.0004
    })
}

fn measured() -> Value {
    let memory =
        json!({ "resident": 140_000_000, "peak": 160_000_000, "anonymous": 0, "mapped": 0 });
    json!({
        "occasion": Occasion {
            date: "2026-01-02".to_owned(),
            revision: "abc".to_owned(),
            machine: "machine".to_owned(),
            surroundings: "surroundings".to_owned(),
        },
        "steps": [{ "step": "peers", "load_average": 0.25 }],
        "engine": {},
        "http": { "quick": false, "sets": [{
            "key": "sift1m", "rows": 1_000_000, "dimension": 128, "steps": [],
            "json": { "vectors_per_second": [90_000.0, 110_000.0, 120_000.0], "memory_after": [memory] },
            "binary": { "vectors_per_second": [200_000.0], "memory_after": [memory] },
            "memory": {
                "at_start": memory, "after_restart": memory,
                "most_under_load": 151_000_000, "after_load": memory
            },
            "searches": [
                { "connections": 64, "runs": [run(3_000.0, 10.0), run(5_000.0, 9.0), run(4_400.0, 8.0)] },
                { "connections": 1, "runs": [run(600.0, 1.5)] }
            ],
            "writing": [],
            "growth": []
        }]},
        "peers": { "threads": 2, "k": 10, "sets": [{
            "key": "sift1m", "load_average_before": 0.1, "peers": [
                { "name": "A", "version": "1", "detail": "", "build_seconds": 1.0, "recall": 0.9,
                  "p50_ms": 10.0, "qps": 800.0, "qps_with": "batches of 64" },
                { "name": "B", "version": "1", "detail": "", "build_seconds": 1.0, "recall": 1.0,
                  "p50_ms": 2.0, "qps": 100.0, "qps_with": "batches of 64" }
            ]
        }]}
    })
}

fn page(measured: Value) -> String {
    render(&serde_json::from_value(measured).unwrap())
}

/// The cells of the table's line that begins with `what`.
fn cells(page: &str, what: &str) -> Vec<String> {
    let line = page
        .lines()
        .find(|line| line.starts_with(&format!("| {what}")));
    let line = line.unwrap_or_else(|| panic!("no line {what}"));
    line.split('|')
        .skip(2)
        .map(|cell| cell.trim().to_owned())
        .collect()
}

#[test]
fn medians_are_held_against_the_marks() {
    let page = page(measured());
    let rate = cells(&page, "queries/s over HTTP, 64 connections");
    assert_eq!(rate[..4], ["≥ 4,000", "4,400", "1.10", "pass"]);
    let json = cells(&page, "ingest over HTTP, JSON");
    assert_eq!(json[..4], ["≥ 100,000", "110,000", "1.10", "pass"]);
    let binary = cells(&page, "ingest over HTTP, `vectra import`");
    assert_eq!(binary[..4], ["≥ 250,000", "200,000", "0.80", "**short**"]);
    let load = cells(&page, "resident under search load");
    assert_eq!(load[..4], ["≤ 0.150 GB", "0.151 GB", "1.01", "**short**"]);
}

#[test]
fn the_best_peer_is_another_one_for_latency_than_for_rate() {
    let page = page(measured());
    assert_eq!(cells(&page, "queries/s over HTTP ÷ best peer")[1], "5.50 ×");
    assert_eq!(cells(&page, "one query over HTTP ÷ best peer")[1], "0.75 ×");
}

#[test]
fn what_was_not_measured_is_never_a_pass() {
    let page = page(measured());
    for what in [
        "one query, engine alone ÷ reading",
        "p99 beside writes",
        "processor time",
    ] {
        assert_eq!(cells(&page, what)[1..4], ["not measured", "", ""], "{what}");
    }
    assert_eq!(cells(&page, "recall@10")[4], "not measured");
}

#[test]
fn an_answer_without_a_certificate_falls_short() {
    let mut one_uncertified = measured();
    one_uncertified["http"]["sets"][0]["searches"][0]["runs"][1]["certified"] = json!(0.998);
    let page = page(one_uncertified);
    assert_eq!(
        cells(&page, "answers certified")[1..4],
        ["0.9980", "1.00", "**short**"]
    );
}

#[test]
fn a_shortened_or_partial_bench_says_so() {
    let mut partial = measured();
    partial["http"]["quick"] = json!(true);
    partial["peers"] = Value::Null;
    let page = page(partial);
    assert!(page.contains("no result"), "{page}");
    assert!(page.contains("peers were SKIPPED"), "{page}");
}
