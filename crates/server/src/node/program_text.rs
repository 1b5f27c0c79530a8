//! How much of the program is resident.

use std::time::Duration;

/// How often all of the text is let go of. What is in use is back within a millisecond.
const EVERY: Duration = Duration::from_secs(2);

/// Lets go of program text again and again, for as long as the process runs: of what only a start needed, or
/// an import long over. The kernel takes none of it back while there is memory left: after a start nearly all
/// of the text was resident.
pub(super) async fn let_go_of_unused() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    match vectra_store::ProgramText::find() {
        Ok(text) => loop {
            if let Err(error) = text.release() {
                tracing::debug!(%error, "cannot let go of unused program text");
            }
            tokio::time::sleep(EVERY).await;
        },
        Err(error) => tracing::debug!(%error, "cannot tell what program text is mapped"),
    }
    std::future::pending().await
}
