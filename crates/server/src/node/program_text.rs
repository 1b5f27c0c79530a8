//! How much of the program is resident.

use std::time::Duration;

/// How often all of the text is let go of. What is in use is back within a millisecond.
const EVERY: Duration = Duration::from_secs(5);

/// Lets go of program text again and again, for as long as the process runs: of what only a start needed, or
/// an import long over. The kernel maps 64 KiB around each address that is executed, and takes none of it
/// back while there is memory left: after a start nearly all of the text was resident.
pub(super) async fn let_go_of_unused() -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        #[cfg(target_os = "linux")]
        if let Err(error) = vectra_store::release_program_text() {
            tracing::debug!(%error, "cannot let go of unused program text");
        }
    }
}
