//! How much of the program is resident.

#[cfg(target_os = "linux")]
use {
    std::{fs, time::Duration},
    tokio::time::{Instant, sleep},
};

/// How often to look whether to let go of all of the text.
#[cfg(target_os = "linux")]
const EVERY: Duration = Duration::from_secs(2);

/// So many kilobytes more than what is in use are let go of. To do so takes some milliseconds, and what is in use comes
/// back by hundreds of faults.
#[cfg(target_os = "linux")]
const MORE: u64 = 512;

/// When to let go of it though no more has become resident: less may be in use than before.
#[cfg(target_os = "linux")]
const AT_THE_LATEST: Duration = Duration::from_secs(30);

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
            more_is_resident_than_in_use().await;
        },
        Err(error) => tracing::debug!(%error, "cannot tell what program text is mapped"),
    }
    std::future::pending().await
}

/// Returns once more has become resident than was back a moment after this call, or when it is time anyway.
#[cfg(target_os = "linux")]
async fn more_is_resident_than_in_use() {
    let since = Instant::now();
    sleep(EVERY).await;
    let in_use = resident_kilobytes();
    while since.elapsed() < AT_THE_LATEST {
        sleep(EVERY).await;
        if resident_kilobytes() > in_use.map(|in_use| in_use + MORE) {
            return;
        }
    }
}

/// What of files is mapped and resident, the codes of segments included, if the system tells.
#[cfg(target_os = "linux")]
fn resident_kilobytes() -> Option<u64> {
    resident_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The same, by a text in the form of `/proc/self/status`.
#[cfg(target_os = "linux")]
fn resident_of(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let size = lines.find_map(|line| line.strip_prefix("RssFile:"))?;
    size.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_of_files_is_resident() {
        let status = "VmRSS:\t   19712 kB\nRssAnon:\t    9000 kB\nRssFile:\t    4564 kB\n";
        assert_eq!(resident_of(status), Some(4_564));
        assert_eq!(resident_of("VmRSS:\t 19712 kB\n"), None);
        assert!(resident_kilobytes() > Some(0));
    }
}
