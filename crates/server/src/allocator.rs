//! How the allocator treats memory that is freed.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// mimalloc keeps what is freed, and the arenas it came from, for allocations to come. A server
/// that imported a million vectors kept 300 MB so, and one just started 30 MB.
///
/// What is large (over 512 KiB: bodies, batches, what a start or a segment in the making needs) is
/// therefore the system's own, and goes back to it the moment it is freed. What is small is used
/// again and again by searches: given back at once, too, it cost 16 page faults a search, and one
/// core interrupted the other each time. It goes back after a tenth of a second.
const SETTINGS: [(&str, &str); 3] = [
    ("MIMALLOC_ARENA_MAX_OBJECT_SIZE", "512"),
    ("MIMALLOC_PURGE_DELAY", "100"),
    ("MIMALLOC_ARENA_EAGER_COMMIT", "0"),
];

/// Makes the allocator give back what is freed, unless the environment says otherwise. It reads
/// its settings from there before `main` begins: so this starts the program anew, in the same
/// process, with them set. Returns where they are set already.
///
/// # Errors
///
/// Why the program could not be started anew; it can go on as it is.
pub(crate) fn give_back_freed_memory() -> io::Result<()> {
    let missing: Vec<(&str, &str)> = SETTINGS
        .into_iter()
        .filter(|(name, _)| env::var_os(name).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    Err(again.args(arguments).envs(missing).exec())
}
