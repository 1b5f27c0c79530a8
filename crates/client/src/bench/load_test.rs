use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::*;

/// A server whose nearest neighbours of the query `[q]` are rows q, q + 1, …; every
/// `refuse_every`-th request is refused, if there is such a number.
#[derive(Default)]
struct Fake {
    requests: AtomicU64,
    refuse_every: Option<u64>,
}

async fn search(State(fake): State<Arc<Fake>>, Json(body): Json<Value>) -> Response {
    let number = fake.requests.fetch_add(1, Ordering::Relaxed) + 1;
    if fake
        .refuse_every
        .is_some_and(|every| number.is_multiple_of(every))
    {
        return (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "0")],
            "busy",
        )
            .into_response();
    }
    assert_eq!(body["precision"], "sq8");
    assert_eq!(body["consistency"], "any");
    let (query, k) = (
        body["vector"][0].as_u64().unwrap(),
        body["k"].as_u64().unwrap(),
    );
    let results: Vec<Value> = (query..query + k)
        .map(|row| json!({"id": row.to_string(), "score": 0.5}))
        .collect();
    Json(json!({"results": results, "certified": query.is_multiple_of(2)})).into_response()
}

async fn serve(refuse_every: Option<u64>) -> (Arc<Fake>, String) {
    let fake = Arc::new(Fake {
        refuse_every,
        ..Fake::default()
    });
    let router = Router::new()
        .route("/search", post(search))
        .with_state(fake.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (fake, url)
}

/// Queries `[0]` to `[n - 1]`; of each the first of two true neighbours is what [`Fake`] answers.
fn load(url: String, queries: usize) -> Load {
    let rows = 0..queries as i64;
    Load {
        url,
        api_key: None,
        queries: VectorBatch {
            first_row: 0,
            dimension: 1,
            ids: rows.clone().map(|row| row.to_string()).collect(),
            vectors: rows.clone().map(|row| row as f32).collect(),
            end: 0,
        },
        truth: Some(Neighbours::new(2, rows.flat_map(|row| [row, 1_000_000]).collect()).unwrap()),
        k: 2,
        precision: Some(Precision::Sq8),
        consistency: Some(Consistency::Any),
        connections: 4,
        rate: None,
        warm_up: Duration::from_millis(20),
        measured: Duration::from_millis(100),
    }
}

/// Measures for longer and longer until the run has seen enough: a busy machine may give the first
/// tenth of a second to others.
async fn run_until(
    url: &str,
    queries: usize,
    is_enough: impl Fn(&LoadReport) -> bool,
) -> LoadReport {
    for doubled in 0..8 {
        let mut load = load(url.to_owned(), queries);
        load.measured *= 1 << doubled;
        let report = load.run().await.unwrap();
        if is_enough(&report) {
            return report;
        }
    }
    panic!("too little was answered in 25 seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_counts_what_was_answered_and_how_right_it_was() {
    let (fake, url) = serve(None).await;
    let report = run_until(&url, 10, |report| report.answered > 0).await;
    assert!(report.answered <= fake.requests.load(Ordering::Relaxed));
    assert_eq!((report.errors, report.queries), (0, 10));
    assert_eq!((report.recall, report.certified), (Some(0.5), Some(0.5)));
    assert!(report.qps > 0.0);
    assert!(report.p50_ms <= report.p90_ms && report.p90_ms <= report.p99_ms);
    assert!(report.p99_ms <= report.max_ms && report.max_ms > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_rate_no_more_is_sent_and_what_is_late_counts_from_when_it_was_due() {
    let (fake, url) = serve(None).await;
    let mut slow = load(url.clone(), 10);
    slow.rate = Some(20.0);
    slow.warm_up = Duration::ZERO;
    slow.measured = Duration::from_millis(500);
    slow.truth = None;
    let report = slow.run().await.unwrap();
    assert!(report.answered <= 10, "20 a second, in half a second");
    // Besides those, one that tries whether there is somebody.
    assert!(fake.requests.load(Ordering::Relaxed) <= 11);

    // All of a billion a second are due when it begins, as good as.
    for doubled in 0.. {
        let mut flood = load(url.clone(), 10);
        flood.rate = Some(1e9);
        flood.measured *= 1 << doubled;
        let half = flood.measured.as_secs_f64() * 1e3 / 2.0;
        if flood.run().await.unwrap().max_ms > half {
            break;
        }
        assert!(doubled < 8, "none of them counts from when it was due");
    }

    let mut wrong = load("http://127.0.0.1:9".to_owned(), 1);
    wrong.rate = Some(0.0);
    assert!(wrong.apart().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recall_is_over_every_query_even_if_the_time_is_too_short_for_them() {
    let (fake, url) = serve(None).await;
    let mut load = load(url, 500);
    load.warm_up = Duration::ZERO;
    load.measured = Duration::ZERO;
    let report = load.run().await.unwrap();
    assert_eq!((report.queries, report.recall), (500, Some(0.5)));
    assert!(fake.requests.load(Ordering::Relaxed) >= 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_counted_by_kind_and_do_not_spoil_recall() {
    let (_fake, url) = serve(Some(3)).await;
    let report = run_until(&url, 10, |report| report.errors > 0).await;
    assert_eq!(
        report.errors_by_kind.get("status 429"),
        Some(&report.errors)
    );
    assert_eq!(report.recall, Some(0.5));
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = load(url, 1).run().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_is_an_error_of_its_kind() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // Answers one search as Vectra does, then hangs up on everyone who connects.
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut first = true;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if std::mem::take(&mut first) {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\n\
                               {\"results\":[]}";
                let _ = stream.write_all(answer).await;
            }
        }
    });
    let mut load = load(url, 2);
    load.truth = None;
    let report = load.run().await.unwrap();
    assert_eq!(
        (report.answered, report.recall, report.certified),
        (0, None, None)
    );
    assert!(report.errors > 0);
}

#[tokio::test]
async fn a_truth_that_does_not_fit_is_refused() {
    let mut short = load("http://127.0.0.1:1".to_owned(), 3);
    short.k = 3;
    assert_eq!(
        short.run().await.unwrap_err().to_string(),
        "the truth knows 2 neighbours a query, recall@3 needs 3"
    );
    let mut other = load("http://127.0.0.1:1".to_owned(), 3);
    other.truth = Some(Neighbours::new(2, vec![1, 2]).unwrap());
    assert_eq!(
        other.run().await.unwrap_err().to_string(),
        "the truth is about 1 queries, there are 3"
    );
}
