//! A router on a real port: both versions of HTTP, and bodies that are refused half way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use axum::Router;

use super::memory_backend::SevenVectors;
use super::{Lifecycle, Options, ServerHandle, serve, shard_router};
use crate::config::{Role, Tls};

fn small_router() -> Router {
    let options = Options {
        role: Role::Shard,
        instruction_set: "scalar",
        grpc: None,
        max_body: 1024,
        timeout: Duration::from_secs(30),
        max_in_flight: 8,
        lifecycle: Lifecycle::default(),
        api_keys: Vec::new(),
    };
    shard_router(SevenVectors { is_ready: true }, options)
}

fn start() -> (
    SocketAddr,
    ServerHandle,
    tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = ServerHandle::new();
    let served = tokio::spawn(serve_plain(listener, handle.clone()));
    (address, handle, served)
}

async fn serve_plain(listener: TcpListener, handle: ServerHandle) -> std::io::Result<()> {
    serve(listener, small_router(), None, handle).await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_served_on_one_port() {
    let (address, _, _) = start();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://{address}/health");
    let first = reqwest::Client::builder().http1_only().build().unwrap();
    let second = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for (client, version) in [
        (first, reqwest::Version::HTTP_11),
        (second, reqwest::Version::HTTP_2),
    ] {
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (200, version)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_all_before_it_reads_still_gets_the_refusal() {
    let (address, _, _) = start();
    let answer = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        let length = 64 << 20;
        write!(
            connection,
            "POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let chunk = vec![b' '; 1 << 20];
        for _ in 0..64 {
            connection.write_all(&chunk).unwrap();
        }
        connection
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut answer = vec![0; 12];
        connection.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(answer.await.unwrap(), b"HTTP/1.1 404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_stop_ends() {
    let (address, handle, served) = start();
    assert_eq!(handle.listening().await, Some(address));
    handle.graceful_shutdown(Some(Duration::from_secs(5)));
    served.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_offered_under_tls() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/fixtures");
    let tls = Tls {
        certificate: format!("{fixtures}/localhost.crt").into(),
        key: format!("{fixtures}/localhost.key").into(),
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}/health",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(
        async move { serve(listener, small_router(), Some(&tls), ServerHandle::new()).await },
    );
    let pem = std::fs::read(format!("{fixtures}/localhost.crt")).unwrap();
    let trusting = || {
        let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
        reqwest::Client::builder().add_root_certificate(certificate)
    };
    let by_alpn = trusting().build().unwrap();
    let first = trusting().http1_only().build().unwrap();
    for (client, version) in [
        (by_alpn, reqwest::Version::HTTP_2),
        (first, reqwest::Version::HTTP_11),
    ] {
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (200, version)
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = Tls {
        certificate: "/nowhere/tls.crt".into(),
        key: "/nowhere/tls.key".into(),
    };
    let refused = serve(listener, small_router(), Some(&tls), ServerHandle::new()).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("/nowhere/tls.crt"), "{message}");
}
