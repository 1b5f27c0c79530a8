//! Orderly ends.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal as listen};
use tokio::task::JoinHandle;

use crate::http::{Lifecycle, ServerHandle};

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(8);

/// How long calls of other nodes may take to end.
const CALLS: Duration = Duration::from_secs(2);

/// Resolves with the name of the signal that asks this process to stop. A second one of the same
/// kind ends it at once.
pub(super) fn signal() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Nothing acknowledged is lost: it is what a crash would do.
            std::process::exit(130);
        });
        name
    })
}

/// Once no request has come for this long, whoever spreads them over the coordinators has noticed that
/// this one is not ready any more.
const QUIET: Duration = Duration::from_secs(1);

/// It is waited for no longer than this: there may be clients that know no other address.
const LONGEST: Duration = Duration::from_secs(3);

/// Says that this process is not ready and waits until nobody sends it requests: at once where nobody
/// has for a while.
pub(super) async fn until_quiet(lifecycle: &Lifecycle) {
    lifecycle.stop();
    let quiet = async {
        while lifecycle.quiet_for() < QUIET {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(LONGEST, quiet).await.is_err() {
        tracing::info!("requests still come; whoever sends them must go elsewhere now");
    }
}

/// Waits for the calls that other nodes have under way here, then cuts off what is left.
pub(super) async fn ended<T>(server: &mut JoinHandle<T>) {
    if tokio::time::timeout(CALLS, &mut *server).await.is_err() {
        server.abort();
    }
}

/// Takes no new connections and lets the requests under way end.
pub(super) async fn drain(http: &ServerHandle) {
    http.graceful_shutdown(Some(DRAIN));
    let idle = async {
        while http.connection_count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DRAIN, idle).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}
