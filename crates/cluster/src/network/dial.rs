//! How connections to other nodes are made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// A name server that has not answered for so long is asked anew. The operating system waits five seconds, also
/// for an answer about a container that is just being started, which is never given.
const RESOLVE: Duration = Duration::from_millis(500);

/// Makes connections to other nodes.
pub trait Dial: Send + Sync + 'static {
    /// Connects to a port of a host. The name is resolved anew each time.
    fn dial(&self, host: String, port: u16) -> Dialling;
}

/// A connection about to be made.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send>>;

/// Bytes in both directions.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// TCP over the network of this machine.
pub(super) struct Tcp;

impl Dial for Tcp {
    fn dial(&self, host: String, port: u16) -> Dialling {
        Box::pin(async move {
            let found = resolve(&host, port).await?;
            let stream = TcpStream::connect(found.as_slice()).await?;
            stream.set_nodelay(true)?;
            let connection: Box<dyn Connection> = Box::new(stream);
            Ok(connection)
        })
    }
}

/// Where a host is, once a name server says so: whoever dials has a limit for all of it.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // An IPv6 address stands in brackets in an URI.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    loop {
        if let Ok(found) = timeout(RESOLVE, lookup_host((host, port))).await {
            return found.map(Iterator::collect);
        }
    }
}

/// A channel that dials when it is used.
pub(super) fn lazy_channel(endpoint: &Endpoint, dial: Arc<dyn Dial>) -> Channel {
    endpoint.connect_with_connector_lazy(service_fn(move |address: Uri| {
        let host = address.host().unwrap_or_default().to_owned();
        let dialled = address.port_u16().map(|port| dial.dial(host, port));
        async move {
            let no_port = || io::Error::new(io::ErrorKind::InvalidInput, "an address needs a port");
            Ok::<_, io::Error>(TokioIo::new(dialled.ok_or_else(no_port)?.await?))
        }
    }))
}
