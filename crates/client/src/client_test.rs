use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::*;
use crate::Hit;
use crate::ingest_form::read_ingest;

async fn serve(router: Router) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Client::new(&url).unwrap()
}

#[tokio::test]
async fn ingest_search_and_delete_speak_the_published_shapes() {
    let router = Router::new()
        .route(
            "/ingest",
            post(|request: Request| async move {
                let (ids, vectors) = read_ingest(request).await;
                assert_eq!(ids, ["a", "b"]);
                assert_eq!(vectors, [[1.0, 2.0], [3.0, 4.5]]);
                (
                    StatusCode::CREATED,
                    Json(json!({"status": "indexed", "count": 2})),
                )
            }),
        )
        .route(
            "/search",
            post(|Json(body): Json<serde_json::Value>| async move {
                assert_eq!(body, json!({"vector": [1, 2], "k": 1}));
                Json(json!({"results": [{"id": "a", "score": 0.5}], "certified": true, "new": 1}))
            }),
        )
        .route(
            "/delete",
            post(|| async { Json(json!({"status": "deleted", "count": 1})) }),
        );
    let client = serve(router).await;
    let ids = ["a".to_owned(), "b".to_owned()];
    assert_eq!(
        client.ingest(&ids, 2, &[1.0, 2.0, 3.0, 4.5]).await.unwrap(),
        2
    );
    let answer = client.search(&[1.0, 2.0], 1, None, None).await.unwrap();
    assert_eq!(
        answer.results,
        [Hit {
            id: "a".to_owned(),
            score: 0.5
        }]
    );
    assert!(answer.certified);
    assert_eq!(client.delete(&ids).await.unwrap(), 1);
}

#[tokio::test]
async fn any_id_can_be_fetched_whatever_characters_it_holds() {
    async fn answer(
        axum::extract::Path(id): axum::extract::Path<String>,
    ) -> axum::response::Response {
        if id == "gone" {
            return StatusCode::NOT_FOUND.into_response();
        }
        let text = format!("{{\"vector\":[0.1,-0.0,1e-45],\"id\":{}}}", json!(id));
        ([(CONTENT_TYPE, "application/json")], text).into_response()
    }
    let client = serve(Router::new().route("/vectors/{id}", get(answer))).await;
    for id in ["vec_0", "a/b", "a b?c#d", "50%", "%2F", "é☃", "..x"] {
        let stored = client.fetch(id).await.unwrap().unwrap();
        assert_eq!(stored.id, id);
        let bits: Vec<u32> = stored.vector.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, [0.1_f32.to_bits(), (-0.0_f32).to_bits(), 1]);
    }
    assert_eq!(client.fetch("gone").await.unwrap(), None);
    assert!(matches!(
        client.fetch("..").await,
        Err(ClientError::Argument(_))
    ));
}

#[tokio::test]
async fn a_problem_keeps_what_the_server_said() {
    let refuse =
        || async {
            (
            StatusCode::SERVICE_UNAVAILABLE,
            [(CONTENT_TYPE, "application/problem+json"), (RETRY_AFTER, "3")],
            json!({"title": "Unavailable", "status": 503, "detail": "no quorum", "shards": [7]})
                .to_string(),
        )
        };
    let client = serve(Router::new().route("/health", get(refuse))).await;
    let error = client.health().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server answered 503 Unavailable: no quorum"
    );
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    let ClientError::Problem { members, .. } = error else {
        panic!("not a problem: {error}")
    };
    assert_eq!(members["shards"], json!([7]));
}

#[tokio::test]
async fn a_server_that_takes_no_binary_vectors_is_called_by_its_name() {
    let refuse = || async {
        let problem = json!({"title": "Unsupported media type", "detail": "send JSON"});
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, problem.to_string())
    };
    let client = serve(Router::new().route("/ingest", post(refuse))).await;
    let error = client.ingest(&["a".to_owned()], 1, &[1.0]).await;
    let said = error.unwrap_err().to_string();
    let expected = "the server answered 415 Unsupported media type: send JSON (it does not take \
                    binary vectors: it is older than this client";
    assert!(said.starts_with(expected), "{said}");
}

#[tokio::test]
async fn a_refusal_that_is_no_problem_is_quoted() {
    let client = serve(Router::new().route(
        "/health",
        get(|| async { (StatusCode::BAD_GATEWAY, "proxy") }),
    ))
    .await;
    let error = client.health().await.unwrap_err().to_string();
    assert_eq!(error, "the server answered 502 Bad Gateway: proxy");
}

#[tokio::test]
async fn an_answer_of_another_kind_is_a_protocol_error() {
    let client = serve(Router::new().route("/health", get(|| async { "hello" }))).await;
    assert!(matches!(
        client.health().await,
        Err(ClientError::Protocol { .. })
    ));
}

#[tokio::test]
async fn no_server_is_a_transport_error_that_may_pass() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url).unwrap().health().await.unwrap_err();
    assert!(error.may_pass(), "{error}");
    assert!(
        error.to_string().to_lowercase().contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn the_key_travels_as_a_bearer_token() {
    let echo = |headers: axum::http::HeaderMap| async move {
        Json(json!({"status": headers["authorization"].to_str().unwrap()}))
    };
    let client = serve(Router::new().route("/health", get(echo))).await;
    let health = client
        .with_api_key("s3cret")
        .unwrap()
        .health()
        .await
        .unwrap();
    assert_eq!(health.status, "Bearer s3cret");
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (written, meant) in [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://host:8000/", "http://host:8000"),
        ("https://host/vectra/", "https://host/vectra"),
        ("localhost:8000", "http://localhost:8000"),
    ] {
        assert_eq!(Client::new(written).unwrap().url(), meant);
    }
    for wrong in [
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host/?a=b",
    ] {
        assert!(
            matches!(Client::new(wrong), Err(ClientError::Address { .. })),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn https_needs_no_set_up_of_its_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello[..2], [22, 3], "this is no TLS handshake");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let error = Client::new(&url).unwrap().health().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport { .. }), "{error}");
}
