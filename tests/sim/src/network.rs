//! The product's connections, over turmoil's network.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use turmoil::net::{TcpListener, TcpStream};
use vectra_cluster::{Connection, Dial, Dialling};
use vectra_server::node::Introduce;

/// Where every node of the simulation listens for the others.
pub(crate) const GRPC_PORT: u16 = 8100;

/// Dials within the simulation.
pub(crate) struct Dialler;

impl Dial for Dialler {
    fn dial(&self, host: String, port: u16) -> Dialling {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }
}

/// A URL of a coordinator names it; the simulation has no HTTP.
pub(crate) struct ByName;

impl Introduce for ByName {
    fn grpc_of<'a>(&'a self, url: &'a str) -> BoxFuture<'a, anyhow::Result<String>> {
        let host = url.trim_start_matches("http://");
        Box::pin(async move { Ok(grpc_address(host)) })
    }
}

/// Where the node of this name is reached by the others.
pub(crate) fn grpc_address(name: &str) -> String {
    format!("{name}:{GRPC_PORT}")
}

/// The connections that other nodes make to this one.
pub(crate) async fn listen() -> io::Result<impl Stream<Item = io::Result<Accepted>> + Send> {
    let listener = TcpListener::bind(("0.0.0.0", GRPC_PORT)).await?;
    Ok(futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await;
        Some((accepted.map(|(stream, _)| Accepted(stream)), listener))
    }))
}

/// A connection from another node.
pub(crate) struct Accepted(TcpStream);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
