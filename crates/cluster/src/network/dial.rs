//! How connections to other nodes are made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// A name server that has not answered for so long is asked anew. The operating system waits five seconds, also
/// for an answer about a container that is just being started, which is never given.
const RESOLVE: Duration = Duration::from_millis(500);

/// Makes connections to other nodes: where it is not TCP over the network of this machine.
pub trait Dial: Send + Sync + 'static {
    /// Connects to a port of a host. The name is resolved anew each time.
    fn dial(&self, host: String, port: u16) -> Dialling;
}

/// A connection about to be made.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send>>;

/// Bytes in both directions.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Where a host is, once a name server says so: whoever dials has a limit for all of it.
async fn resolve(name: Name) -> io::Result<vec::IntoIter<SocketAddr>> {
    loop {
        // The connector puts in the port.
        if let Ok(found) = timeout(RESOLVE, lookup_host((name.as_str(), 0))).await {
            let found: Vec<SocketAddr> = found?.collect();
            return Ok(found.into_iter());
        }
    }
}

/// A channel that dials when it is used.
pub(super) fn lazy_channel(endpoint: &Endpoint, dial: Option<&Arc<dyn Dial>>) -> Channel {
    let Some(dial) = dial.cloned() else {
        let resolver = service_fn(|name| Box::pin(resolve(name)));
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(endpoint.get_connect_timeout());
        return endpoint.connect_with_connector_lazy(tcp);
    };
    endpoint.connect_with_connector_lazy(service_fn(move |address: Uri| {
        let host = address.host().unwrap_or_default().to_owned();
        let dialled = address.port_u16().map(|port| dial.dial(host, port));
        async move {
            let no_port = || io::Error::new(io::ErrorKind::InvalidInput, "an address needs a port");
            Ok::<_, io::Error>(TokioIo::new(dialled.ok_or_else(no_port)?.await?))
        }
    }))
}
