//! What the API answers when something is wrong: with the request, the engine, or the load.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;
use tower::ServiceExt;

use super::memory_backend::{Memory, TWO_VECTORS, api, failing, get, options, post, send};
use super::{Options, router};
use crate::root::RootError;

#[tokio::test]
async fn content_types_other_than_json_are_refused() {
    let api = api();
    let with_type = |media_type: &'static str| {
        let mut request = post("/ingest", TWO_VECTORS);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, media_type.parse().unwrap());
        request
    };
    for media_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x+json",
    ] {
        assert_eq!(
            send(&api, with_type(media_type)).await.status,
            201,
            "{media_type}"
        );
    }
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let answer = send(&api, with_type(media_type)).await;
        assert_eq!(answer.status, 415);
        let detail = answer.problem("unsupported-media-type")["detail"].to_string();
        assert!(
            detail.contains("Content-Type: application/json"),
            "{detail}"
        );
    }
    let mut untyped = post("/ingest", TWO_VECTORS);
    untyped.headers_mut().remove(CONTENT_TYPE);
    assert_eq!(send(&api, untyped).await.status, 201);
    let mut compressed = post("/ingest", TWO_VECTORS);
    compressed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(&api, compressed).await.status, 415);
}

#[tokio::test]
async fn a_body_must_have_a_length_and_be_there() {
    let api = api();
    let mut unmeasured = post("/search", "");
    unmeasured.headers_mut().remove(CONTENT_LENGTH);
    let answer = send(&api, unmeasured).await;
    assert_eq!(answer.status, 411);
    answer.problem("length-required");
    let answer = send(&api, post("/search", "")).await;
    assert_eq!(answer.status, 400);
    let detail = answer.problem("empty-body")["detail"].to_string();
    assert!(detail.contains("send JSON"), "{detail}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_header_and_by_its_bytes() {
    let api = api();
    let announced = Request::post("/ingest")
        .header(CONTENT_LENGTH, (1 << 20) + 1)
        .body(Body::from_stream(futures::stream::pending::<
            Result<Bytes, std::io::Error>,
        >()))
        .unwrap();
    let answer = send(&api, announced).await;
    assert_eq!(answer.status, 413);
    let problem = answer.problem("body-too-large");
    assert_eq!(problem["limit"], 1 << 20);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("http.max_body, which is 1 MiB")
    );

    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 16]));
    let endless = futures::stream::repeat_with(chunk);
    let chunked = Request::post("/ingest")
        .header("transfer-encoding", "chunked")
        .body(Body::from_stream(endless))
        .unwrap();
    assert_eq!(send(&api, chunked).await.status, 413);
}

#[tokio::test]
async fn a_long_body_is_parsed_like_a_short_one() {
    let api = api();
    let rows = vec!["[1,2,3]"; 20_000].join(",");
    let ids: Vec<String> = (0..20_000).map(|id| id.to_string()).collect();
    let body = format!(
        r#"{{"vectors":[{rows}],"ids":{}}}"#,
        serde_json::to_string(&ids).unwrap()
    );
    let answer = send(&api, post("/ingest", body)).await;
    assert_eq!(
        (answer.status, answer.json()["count"].clone()),
        (201, json!(20_000))
    );
    let wrong = format!(r#"{{"vectors":[{rows},[1,2]],"ids":[]}}"#);
    let answer = send(&api, post("/ingest", wrong)).await;
    assert_eq!(answer.problem("wrong-dimension")["index"], 20_000);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let api = api();
    for path in ["/", "/ingests", "/ingest/", "/docs/errors/x"] {
        let answer = get(&api, path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for path in ["/nowhere", "/docs/nowhere.css"] {
        get(&api, path).await.problem("no-such-path");
    }
    for (path, allowed) in [
        ("/ingest", "POST"),
        ("/search", "POST"),
        ("/delete", "POST"),
    ] {
        let answer = get(&api, path).await;
        assert_eq!(
            (answer.status, &answer.headers[ALLOW]),
            (405, &allowed.parse().unwrap())
        );
        answer.problem("method-not-allowed");
    }
    for path in ["/health", "/vectors/a", "/cluster", "/docs/errors"] {
        let answer = send(&api, post(path, "{}")).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(
            answer.headers[ALLOW].to_str().unwrap().contains("GET"),
            "{path}"
        );
        answer.problem("method-not-allowed");
    }
}

#[tokio::test]
async fn failures_of_the_engine_have_their_statuses() {
    let reason = || "two of three replicas are out of reach".to_owned();
    let cases = [
        (
            RootError::WrongDimension {
                expected: 3,
                got: 4,
            },
            400,
            "wrong-dimension",
        ),
        (
            RootError::Unavailable {
                shards: vec![7],
                reason: reason(),
            },
            503,
            "unavailable",
        ),
        (
            RootError::OutcomeUnknown {
                shards: vec![7],
                reason: reason(),
            },
            503,
            "outcome-unknown",
        ),
        (RootError::Deadline(Duration::from_secs(1)), 504, "deadline"),
        (RootError::Overloaded(reason()), 429, "overloaded"),
        (RootError::OverBudget(reason()), 507, "over-budget"),
        (RootError::Internal(reason()), 500, "internal"),
    ];
    for (failure, status, slug) in cases {
        let answer = send(&failing(failure), post("/ingest", TWO_VECTORS)).await;
        assert_eq!(answer.status, status);
        let problem = answer.problem(slug);
        if status == 503 {
            assert_eq!(problem["shards"], json!([7]));
        }
        let retried = matches!(status, 429 | 503);
        assert_eq!(
            answer.headers.contains_key(RETRY_AFTER),
            retried,
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    let api = router(
        Arc::new(Memory {
            panics: true,
            ..Memory::default()
        }),
        options(),
    );
    let answer = send(&api, post("/search", r#"{"vector": [1]}"#)).await;
    assert_eq!(answer.status, 500);
    answer.problem("internal");
    assert_eq!(get(&api, "/health").await.status, 200);
}

#[tokio::test]
async fn the_deadline_covers_the_engine_and_slow_bodies() {
    let hanging = Arc::new(Memory {
        hangs: true,
        ..Memory::default()
    });
    let api = router(
        hanging,
        Options {
            timeout: Duration::from_millis(20),
            ..options()
        },
    );
    let answer = send(&api, post("/search", r#"{"vector": [1]}"#)).await;
    assert_eq!(answer.status, 504);
    answer.problem("deadline");
    let slow = Request::post("/ingest")
        .header("transfer-encoding", "chunked")
        .body(Body::from_stream(futures::stream::pending::<
            Result<Bytes, std::io::Error>,
        >()))
        .unwrap();
    assert_eq!(send(&api, slow).await.status, 504);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = std::io::Error::other("connection reset");
    let stream = futures::stream::iter([Ok(Bytes::from("{")), Err(broken)]);
    let request = Request::post("/ingest")
        .header("transfer-encoding", "chunked")
        .body(Body::from_stream(stream))
        .unwrap();
    send(&api(), request).await.problem("body-cut-short");
}

#[tokio::test]
async fn requests_over_the_limit_are_shed_but_health_is_not() {
    let memory = Arc::new(Memory {
        hangs: true,
        ..Memory::default()
    });
    let api = router(
        memory,
        Options {
            max_in_flight: 1,
            ..options()
        },
    );
    let hanging = tokio::spawn(api.clone().oneshot(post("/search", r#"{"vector": [1]}"#)));
    let shed = loop {
        tokio::task::yield_now().await;
        let answer = tokio::time::timeout(Duration::from_millis(50), get(&api, "/vectors/a")).await;
        if let Ok(answer) = answer {
            break answer;
        }
    };
    assert_eq!(
        (shed.status, shed.headers[RETRY_AFTER].to_str().unwrap()),
        (429, "1")
    );
    assert_eq!(shed.problem("overloaded")["limit"], 1);
    assert_ne!(get(&api, "/health").await.status, 429);
    hanging.abort();
    let _ = hanging.await;
    let freed = tokio::time::timeout(Duration::from_millis(50), get(&api, "/vectors/a")).await;
    assert!(
        freed.is_err(),
        "an admitted request hangs, as this engine does"
    );
}
