//! Orderly ends.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal as listen};

use crate::http::ServerHandle;

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(8);

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
