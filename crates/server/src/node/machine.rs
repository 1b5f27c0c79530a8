//! Which machine a process runs on, so that coordinators know which nodes share cores.

use vectra_cluster::placement::hash;

/// Drawn by the kernel when it starts, and the same in each of its containers.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Names the machine of this process, which scans on so many threads, one for each core that it may use; never 0.
/// 0 where its cores are its own: it may not use all of the machine's, so that other nodes there have others. Also
/// where the system does not tell.
pub(super) fn sharing(threads: usize) -> u64 {
    let Ok(boot_id) = std::fs::read_to_string(BOOT_ID) else {
        return 0;
    };
    name(&boot_id, threads, cores())
}

fn name(boot_id: &str, threads: usize, cores: usize) -> u64 {
    let boot_id = boot_id.trim();
    if boot_id.is_empty() || threads < cores {
        return 0;
    }
    hash(boot_id).max(1)
}

/// The machine's cores.
fn cores() -> usize {
    let listed = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |range: &str| -> Option<usize> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(
            last.parse::<usize>()
                .ok()?
                .checked_sub(first.parse().ok()?)?
                + 1,
        )
    };
    let counts: Option<usize> = listed.trim().split(',').map(count).sum();
    // Where the system does not tell, nobody shares anything.
    counts.unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_may_use_all_cores_of_a_machine_share_them() {
        let name = |boot_id, threads| name(boot_id, threads, 8);
        assert_eq!(name("one\n", 8), name("one", 8));
        assert_ne!(name("one", 8), 0);
        assert_ne!(name("one", 8), name("other", 8));
        assert_eq!(name("one", 2), 0, "limited to two cores of its own");
        assert_eq!(name("", 8), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cores_of_this_machine_are_counted() {
        let usable = std::thread::available_parallelism().unwrap().get();
        assert!((usable..usize::MAX).contains(&cores()), "{}", cores());
    }
}
