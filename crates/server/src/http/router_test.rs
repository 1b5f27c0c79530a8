//! The API through its router, over an engine in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;
use utoipa::ToSchema;

use super::{Backend, Options, router, shard_router};
use crate::config::{ApiKey, Role};
use crate::root::{Hit, IngestBatch, RootError, SearchAnswer, SearchQuery};

/// An engine that keeps vectors in a map, scores by inner product, and fails when told to.
#[derive(Default)]
struct Memory {
    vectors: Mutex<BTreeMap<String, Vec<f32>>>,
    failure: Option<RootError>,
    panics: bool,
    hangs: bool,
}

#[derive(Serialize, ToSchema)]
struct MemoryStatus {
    items: u64,
}

impl Memory {
    async fn strike(&self) -> Result<(), RootError> {
        assert!(!self.panics, "the engine fell over");
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Backend for Memory {
    type Status = MemoryStatus;

    async fn ingest(&self, batch: IngestBatch, _: Instant) -> Result<u64, RootError> {
        self.strike().await?;
        let rows = batch
            .vectors
            .chunks_exact(batch.dimension)
            .map(<[f32]>::to_vec);
        let count = batch.ids.len() as u64;
        self.vectors
            .lock()
            .unwrap()
            .extend(batch.ids.into_iter().zip(rows));
        Ok(count)
    }

    async fn delete(&self, ids: Vec<String>, _: Instant) -> Result<u64, RootError> {
        self.strike().await?;
        let mut vectors = self.vectors.lock().unwrap();
        Ok(ids
            .iter()
            .filter(|id| vectors.remove(*id).is_some())
            .count() as u64)
    }

    async fn search(&self, query: SearchQuery, _: Instant) -> Result<SearchAnswer, RootError> {
        self.strike().await?;
        let product = |row: &Vec<f32>| row.iter().zip(&query.vector).map(|(a, b)| a * b).sum();
        let vectors = self.vectors.lock().unwrap();
        let mut hits: Vec<Hit> = vectors
            .iter()
            .map(|(id, row)| Hit {
                id: id.clone(),
                score: product(row),
            })
            .collect();
        hits.sort_by(|left, right| right.score.total_cmp(&left.score));
        hits.truncate(query.k);
        Ok(SearchAnswer {
            hits,
            certified: true,
        })
    }

    async fn fetch(&self, id: &str, _: Instant) -> Result<Option<Vec<f32>>, RootError> {
        self.strike().await?;
        Ok(self.vectors.lock().unwrap().get(id).cloned())
    }

    async fn status(&self) -> MemoryStatus {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        MemoryStatus {
            items: self.vectors.lock().unwrap().len() as u64,
        }
    }

    fn items(status: &MemoryStatus) -> u64 {
        status.items
    }
}

fn options() -> Options {
    Options {
        role: Role::Serve,
        instruction_set: "scalar",
        grpc: Some("127.0.0.1:8100".to_owned()),
        max_body: 1 << 20,
        timeout: Duration::from_secs(30),
        max_in_flight: 100,
        api_keys: Vec::new(),
    }
}

fn api() -> Router {
    router(Arc::new(Memory::default()), options())
}

fn failing(failure: RootError) -> Router {
    router(
        Arc::new(Memory {
            failure: Some(failure),
            ..Memory::default()
        }),
        options(),
    )
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem, its frame checked.
    fn problem(&self, slug: &str) -> Value {
        let json = self.json();
        assert_eq!(
            self.headers[CONTENT_TYPE], "application/problem+json",
            "{json}"
        );
        assert_eq!(json["type"], format!("/docs/errors#{slug}"), "{json}");
        assert_eq!(json["status"], self.status, "{json}");
        assert!(
            json["title"].is_string() && json["detail"].is_string(),
            "{json}"
        );
        json
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap(),
    }
}

fn post(path: &str, body: impl Into<String>) -> Request<Body> {
    let body = body.into();
    Request::post(path)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, body.len())
        .body(Body::from(body))
        .unwrap()
}

async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

const TWO_VECTORS: &str = r#"{"vectors": [[1, 0, 0], [0, 1, 0]], "ids": ["item_1", "item_2"]}"#;

#[tokio::test]
async fn vectors_go_in_are_found_fetched_and_deleted() {
    let api = api();
    let answer = send(&api, post("/ingest", TWO_VECTORS)).await;
    assert_eq!(
        (answer.status, answer.json()),
        (201, json!({"status": "indexed", "count": 2}))
    );
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json");

    let answer = send(
        &api,
        post("/search", r#"{"vector": [0.5, 0.25, 0], "k": 1}"#),
    )
    .await;
    let found = json!({"results": [{"id": "item_1", "score": 0.5}], "certified": true});
    assert_eq!((answer.status, answer.json()), (200, found));

    let answer = get(&api, "/vectors/item_2").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"id": "item_2", "vector": [0.0, 1.0, 0.0]})
    );

    let answer = send(&api, post("/delete", r#"{"ids": ["item_2", "item_3"]}"#)).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"status": "deleted", "count": 1}))
    );
    let answer = get(&api, "/vectors/item_2").await;
    assert_eq!(
        (answer.status, &answer.problem("no-such-vector")["id"]),
        (404, &json!("item_2"))
    );
}

#[tokio::test]
async fn health_says_what_runs() {
    let api = api();
    send(&api, post("/ingest", TWO_VECTORS)).await;
    let answer = get(&api, "/health").await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({
        "status": "online", "items": 2, "version": version, "instruction_set": "scalar",
        "role": "serve", "grpc": "127.0.0.1:8100"
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[tokio::test]
async fn health_does_not_wait_for_a_cluster_that_hangs() {
    let api = router(
        Arc::new(Memory {
            hangs: true,
            ..Memory::default()
        }),
        options(),
    );
    let answer = get(&api, "/health").await;
    assert_eq!(answer.status, 503);
    answer.problem("unavailable");
}

#[tokio::test]
async fn ids_may_hold_anything() {
    let api = api();
    let cases = [
        ("a/b", "/vectors/a%2Fb"),
        ("a/b", "/vectors/a/b"),
        ("/", "/vectors/%2F"),
        ("ü ?#%", "/vectors/%C3%BC%20%3F%23%25"),
        ("a+b", "/vectors/a+b"),
        ("\n\"\\", "/vectors/%0A%22%5C"),
    ];
    for (id, path) in cases {
        let body = json!({"vectors": [[1.5]], "ids": [id]}).to_string();
        assert_eq!(send(&api, post("/ingest", body)).await.status, 201);
        let answer = get(&api, path).await;
        assert_eq!(
            (answer.status, &answer.json()["id"]),
            (200, &json!(id)),
            "{path}"
        );
    }
    assert_eq!(
        get(&api, "/vectors/%ff").await.problem("invalid-path")["status"],
        400
    );
    let long = format!("/vectors/{}", "x".repeat(513));
    assert_eq!(get(&api, &long).await.problem("invalid-id")["got"], 513);
    get(&api, "/vectors/").await.problem("no-such-path");
}

#[tokio::test]
async fn fetched_floats_have_the_bits_that_were_sent() {
    let api = api();
    let values = [0.1_f32, -0.0, 1e-45, 3.4e38, 16_777_217.0, 1.0 / 3.0, 1e-38];
    let body = format!(
        r#"{{"vectors": [{}], "ids": ["a"]}}"#,
        serde_json::to_string(&values).unwrap()
    );
    send(&api, post("/ingest", body)).await;
    let answer = get(&api, "/vectors/a").await;
    assert!(
        answer.body.windows(4).any(|text| text == b"[0.1"),
        "{:?}",
        answer.body
    );
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("[0.1,"), "{text}");
    let (_, array) = text.split_once('[').unwrap();
    let texts = array.trim_end_matches(['}', ']']).split(',');
    let bits: Vec<u32> = texts
        .map(|text| text.parse::<f32>().unwrap().to_bits())
        .collect();
    assert_eq!(bits, values.map(f32::to_bits));
}

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
    assert!(detail.contains("send a JSON object"), "{detail}");
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

#[tokio::test]
async fn keys_open_what_their_rights_say() {
    let key = |name: &str, read, write| ApiKey {
        name: name.to_owned(),
        key: format!("{name}-secret"),
        read,
        write,
    };
    let api_keys = vec![key("reader", true, false), key("writer", false, true)];
    let api = router(
        Arc::new(Memory::default()),
        Options {
            api_keys,
            ..options()
        },
    );
    let with_key = |mut request: Request<Body>, secret: &str| {
        let value = format!("Bearer {secret}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    let get_request = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let answer = send(&api, post("/ingest", TWO_VECTORS)).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.headers[WWW_AUTHENTICATE]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    answer.problem("unauthorized");
    let unknown = with_key(post("/ingest", TWO_VECTORS), "nobody");
    assert_eq!(send(&api, unknown).await.status, 401);

    for (secret, written, read) in [("reader-secret", 403, 200), ("writer-secret", 201, 403)] {
        let answer = send(&api, with_key(post("/ingest", TWO_VECTORS), secret)).await;
        assert_eq!(answer.status, written);
        let delete = with_key(post("/delete", r#"{"ids": ["x"]}"#), secret);
        assert_eq!(
            send(&api, delete).await.status,
            if written == 201 { 200 } else { 403 }
        );
        let search = with_key(post("/search", r#"{"vector": [1]}"#), secret);
        assert_eq!(send(&api, search).await.status, read);
        assert_eq!(
            send(&api, with_key(get_request("/cluster"), secret))
                .await
                .status,
            read
        );
    }
    let fetch = with_key(get_request("/vectors/item_1"), "writer-secret");
    send(&api, fetch).await.problem("forbidden");
    for path in ["/health", "/openapi.json", "/docs/", "/docs/errors"] {
        assert_eq!(get(&api, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_documentation_lists_every_route_and_its_examples_are_taken() {
    let api = api();
    let document = get(&api, "/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let routes = [
        "/cluster",
        "/delete",
        "/health",
        "/ingest",
        "/search",
        "/vectors/{id}",
    ];
    assert_eq!(paths.len(), routes.len(), "{paths:?}");
    assert!(
        routes
            .iter()
            .all(|route| paths.iter().any(|path| path == route)),
        "{paths:?}"
    );
    let schemas = &document["components"]["schemas"];
    for name in [
        "Problem",
        "MemoryStatus",
        "IngestRequest",
        "Found",
        "Neighbour",
    ] {
        assert!(
            schemas[name].is_object(),
            "{name} is not described: {schemas}"
        );
    }
    let problem =
        "/paths/~1ingest/post/responses/413/content/application~1problem+json/schema/$ref";
    assert_eq!(
        document.pointer(problem),
        Some(&json!("#/components/schemas/Problem"))
    );
    for (path, name, status) in [
        ("/ingest", "IngestRequest", 201),
        ("/search", "SearchRequest", 200),
        ("/delete", "DeleteRequest", 200),
    ] {
        let example = schemas[name]["example"].to_string();
        assert_eq!(
            send(&api, post(path, example)).await.status,
            status,
            "{path}"
        );
    }
    let page = get(&api, "/docs/errors").await;
    assert!(String::from_utf8_lossy(&page.body).contains("id=\"wrong-dimension\""));
    let ui = get(&api, "/docs").await;
    assert_eq!(ui.status, StatusCode::SEE_OTHER.as_u16());
}

#[tokio::test]
async fn a_shard_node_answers_health_and_points_to_a_coordinator() {
    let options = Options {
        role: Role::Shard,
        ..options()
    };
    let node = shard_router(|| 7, options);
    let health = get(&node, "/health").await.json();
    assert_eq!(
        (&health["items"], &health["role"]),
        (&json!(7), &json!("shard"))
    );
    let answer = send(&node, post("/search", r#"{"vector": [1]}"#)).await;
    assert_eq!(answer.status, 404);
    let detail = answer.problem("no-such-path")["detail"].to_string();
    assert!(detail.contains("ask a coordinator"), "{detail}");
}
