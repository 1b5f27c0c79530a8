//! What `GET /metrics` tells, and `GET /ready`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use tower::ServiceExt;

use super::memory_backend::{
    Memory, SevenVectors, TWO_VECTORS, api, failing, get, options, post, send,
};
use super::metrics::Metrics;
use super::{Options, router, shard_router};
use crate::config::ApiKey;
use crate::root::RootError;

async fn scrape(router: &Router) -> BTreeMap<String, f64> {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    read(router.clone().oneshot(request).await.unwrap()).await
}

/// Every series of the page by its name and labels, each below the type of its metric.
async fn read(response: Response) -> BTreeMap<String, f64> {
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let page = String::from_utf8(body.to_vec()).unwrap();
    let mut types = Vec::new();
    let mut series = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            types.push(typed.split_once(' ').unwrap().0.to_owned());
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let known = types.last().unwrap();
            assert!(name.starts_with(known.as_str()), "{name} is not {known}");
            let twice = series.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(twice, None, "{name} is there twice");
        }
    }
    let distinct: BTreeSet<&String> = types.iter().collect();
    assert_eq!(distinct.len(), types.len(), "a type is told twice: {page}");
    series
}

#[tokio::test]
async fn answers_are_counted_by_route_and_status_not_by_path() {
    let api = api();
    send(&api, post("/ingest", TWO_VECTORS)).await;
    for path in ["/vectors/item_1", "/vectors/item_2", "/vectors/nothing"] {
        get(&api, path).await;
    }
    for path in ["/no/such/path", "/nor/this", "/ingest"] {
        get(&api, path).await;
    }
    let series = scrape(&api).await;
    let requests: Vec<(&str, f64)> = series
        .iter()
        .filter_map(|(name, count)| Some((name.strip_prefix("vectra_http_requests")?, *count)))
        .collect();
    assert_eq!(
        requests,
        [
            (r#"_total{route="/ingest",status="201"}"#, 1.0),
            (r#"_total{route="/ingest",status="405"}"#, 1.0),
            (r#"_total{route="/vectors/{*id}",status="200"}"#, 2.0),
            (r#"_total{route="/vectors/{*id}",status="404"}"#, 1.0),
            (r#"_total{route="none",status="404"}"#, 2.0),
        ]
    );
}

#[tokio::test]
async fn vectors_and_times_are_counted_where_the_engine_did_its_work() {
    let api = api();
    let before = scrape(&api).await;
    assert_eq!(before["vectra_vectors_ingested_total"], 0.0);
    assert_eq!(before["memory_items"], 0.0);
    send(&api, post("/ingest", TWO_VECTORS)).await;
    send(&api, post("/ingest", r#"{"vectors": [[1]], "ids": []}"#)).await;
    for query in [r#"{"vector": [1, 0, 0]}"#, r#"{"vector": []}"#] {
        send(&api, post("/search", query)).await;
    }
    send(&api, post("/delete", r#"{"ids": ["item_1", "nothing"]}"#)).await;
    let after = scrape(&api).await;
    for (name, count) in [
        ("vectra_vectors_ingested_total", 2.0),
        ("vectra_vectors_deleted_total", 1.0),
        ("vectra_ingest_duration_seconds_count", 1.0),
        ("vectra_search_duration_seconds_count", 1.0),
        (r#"vectra_search_duration_seconds_bucket{le="32.768"}"#, 1.0),
        ("vectra_searches_waiting", 0.0),
        ("vectra_requests_shed_total", 0.0),
        ("memory_items", 1.0),
    ] {
        assert_eq!(after[name], count, "{name}");
    }
}

#[tokio::test]
async fn what_is_shed_is_counted_while_the_page_itself_is_not_shed() {
    let api = failing(RootError::Overloaded("too much".to_owned()));
    assert_eq!(
        send(&api, post("/search", r#"{"vector": [1]}"#))
            .await
            .status,
        429
    );
    let series = scrape(&api).await;
    assert_eq!(series["vectra_requests_shed_total"], 1.0);
    assert_eq!(series["vectra_search_duration_seconds_count"], 0.0);

    let full = router(
        Arc::new(Memory::default()),
        Options {
            max_in_flight: 0,
            ..options()
        },
    );
    assert_eq!(get(&full, "/cluster").await.status, 429);
    assert_eq!(scrape(&full).await["vectra_requests_shed_total"], 1.0);
}

#[tokio::test]
async fn a_search_waits_until_it_is_answered_or_given_up() {
    let metrics = Metrics::new(&options());
    let waiting = metrics.search_begins();
    assert_eq!(
        read(metrics.page(|| {})).await["vectra_searches_waiting"],
        1.0
    );
    drop(waiting);
    assert_eq!(
        read(metrics.page(|| {})).await["vectra_searches_waiting"],
        0.0
    );
}

#[tokio::test]
async fn a_shard_node_has_metrics_of_its_own_behind_the_same_key() {
    let node = shard_router(SevenVectors { is_ready: true }, options());
    get(&node, "/health").await;
    let series = scrape(&node).await;
    assert_eq!(series["seven"], 7.0);
    assert_eq!(
        series[r#"vectra_http_requests_total{route="/health",status="200"}"#],
        1.0
    );
    let key = ApiKey {
        name: "reader".to_owned(),
        key: "secret".to_owned(),
        read: true,
        write: false,
    };
    let options = Options {
        api_keys: vec![key],
        ..options()
    };
    let guarded = shard_router(SevenVectors { is_ready: true }, options);
    assert_eq!(get(&guarded, "/metrics").await.status, 401);
    assert_eq!(get(&guarded, "/ready").await.status, 200);
}

#[tokio::test]
async fn ready_is_who_is_in_a_cluster() {
    let api = api();
    let answer = get(&api, "/ready").await;
    assert_eq!(answer.status, 503);
    answer.problem("unavailable");
    assert_eq!(get(&api, "/health").await.status, 200);
    send(&api, post("/ingest", TWO_VECTORS)).await;
    assert_eq!(get(&api, "/ready").await.status, 200);

    let outside = shard_router(SevenVectors { is_ready: false }, options());
    assert_eq!(get(&outside, "/ready").await.status, 503);
    assert_eq!(get(&outside, "/health").await.status, 200);
}
