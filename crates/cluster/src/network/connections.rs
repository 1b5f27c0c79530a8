//! What holds for every connection between two nodes, at the end that calls and at the end that serves.

use std::time::Duration;

use tonic::transport::{Endpoint, Server};

use crate::ClusterError;

/// To resolve the name and to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that vanished without a word is noticed after these two.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Enough for one large message in flight without waiting for the receiver.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// Calls that a peer may have cancelled before a busy node, or one that was paused, has seen them. With the 20
/// that h2 takes for an attack otherwise, all other calls on the connection are lost.
const CANCELLED_UNSEEN: usize = 10_000;

/// Calls `name:port`.
pub(super) fn endpoint(address: &str) -> Result<Endpoint, ClusterError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| {
        ClusterError::Refused {
            reason: format!("{address:?} is no name:port: {error}"),
        }
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW))
}

/// Serves the calls of other nodes.
///
/// It looks whether those who call are still there, as they do the other way round. Whoever loses its power, or
/// gives a connection up while nothing arrives, never says so: a call that waits for the rest of what that one
/// was about to send would wait for ever, and keep what it holds. A replica takes one snapshot at a time.
pub fn grpc_server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_pending_accept_reset_streams(Some(CANCELLED_UNSEEN))
}
