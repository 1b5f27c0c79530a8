//! What the API answers when all is well, who may ask, and how it documents itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::memory_backend::{Memory, SevenVectors, TWO_VECTORS, api, get, options, post, send};
use super::{Options, router, shard_router};
use crate::config::{ApiKey, Role};

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
async fn a_partial_answer_names_what_is_missing() {
    let api = router(
        Arc::new(Memory {
            missing_shards: vec![3, 8],
            ..Memory::default()
        }),
        options(),
    );
    send(&api, post("/ingest", TWO_VECTORS)).await;
    let body = r#"{"vector": [1, 0, 0], "k": 1, "allow_partial": true}"#;
    let found = send(&api, post("/search", body)).await.json();
    assert_eq!(found["partial"], true, "{found}");
    assert_eq!(found["missing_shards"], json!([3, 8]), "{found}");
    assert_eq!(found["results"][0]["id"], "item_1", "{found}");
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
        "/cluster/coordinators/{id}",
        "/cluster/digests",
        "/cluster/nodes/{id}/drain",
        "/delete",
        "/health",
        "/ingest",
        "/metrics",
        "/ready",
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
async fn one_that_is_about_to_stop_is_not_ready_and_serves_on_but_asks_to_connect_elsewhere() {
    let options = options();
    let lifecycle = options.lifecycle.clone();
    let api = router(Arc::new(Memory::default()), options.clone());
    let node = shard_router(SevenVectors { is_ready: true }, options);
    assert_eq!(lifecycle.quiet_for(), Duration::MAX, "nobody has come");
    let answer = send(&api, post("/ingest", TWO_VECTORS)).await;
    assert!(!answer.headers.contains_key(CONNECTION));
    assert!(lifecycle.quiet_for() < Duration::MAX);
    assert_eq!(get(&node, "/ready").await.status, 200);

    lifecycle.stop();
    for router in [&api, &node] {
        assert_eq!(get(router, "/ready").await.status, 503);
        assert_eq!(get(router, "/health").await.status, 200);
    }
    let answer = get(&api, "/vectors/item_2").await;
    assert_eq!(
        (answer.status, &answer.headers[CONNECTION]),
        (200, &"close".parse().unwrap())
    );
}

#[tokio::test]
async fn a_shard_node_answers_health_and_points_to_a_coordinator() {
    let options = Options {
        role: Role::Shard,
        ..options()
    };
    let node = shard_router(SevenVectors { is_ready: true }, options);
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
