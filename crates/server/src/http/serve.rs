//! Serves a router on a port: HTTP/1.1 and HTTP/2, plain or under TLS.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;

use crate::config::Tls;

/// Asks a running [`serve`] to stop, gracefully or at once.
pub type ServerHandle = Handle<SocketAddr>;

/// How long a connection may take to send the head of a request, and may idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(120);

/// How often, and for how long, a silent HTTP/2 connection is asked whether it still lives.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Bytes of a body an HTTP/2 client may send ahead, on a stream and on the connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Serves the router on a bound port until the handle says to stop. After
/// `handle.graceful_shutdown(Some(patience))` no connection is accepted any more, requests under
/// way are finished, and what is not done within the patience is cut off.
///
/// # Errors
///
/// If the certificate or its key cannot be read, or the port not be listened on.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<&Tls>,
    handle: ServerHandle,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut server = axum_server::from_tcp(listener)?.handle(handle);
    tune(&mut server);
    let service = router.into_make_service();
    match tls {
        None => server.acceptor(NoDelayAcceptor::new()).serve(service).await,
        Some(tls) => {
            let config = rustls_config(tls).await?;
            let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
            server.acceptor(acceptor).serve(service).await
        }
    }
}

fn tune(server: &mut Server<SocketAddr>) {
    let builder = server.http_builder();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
}

/// Reads certificate and key; ALPN offers HTTP/2 and HTTP/1.1.
async fn rustls_config(tls: &Tls) -> io::Result<RustlsConfig> {
    // An error means that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    RustlsConfig::from_pem_file(&tls.certificate, &tls.key)
        .await
        .map_err(|error| {
            let (certificate, key) = (tls.certificate.display(), tls.key.display());
            let message =
                format!("cannot use the certificate {certificate} with the key {key}: {error}");
            io::Error::new(error.kind(), message)
        })
}
