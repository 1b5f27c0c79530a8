//! How connections to other nodes are made.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

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

/// A channel that dials when it is used.
pub(super) fn lazy_channel(endpoint: &Endpoint, dial: Option<&Arc<dyn Dial>>) -> Channel {
    let Some(dial) = dial.cloned() else {
        return endpoint.connect_lazy();
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
