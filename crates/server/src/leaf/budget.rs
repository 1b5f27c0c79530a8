//! What a node may use: memory for its shards, and disk down to a reserve.

use std::path::PathBuf;

use vectra_cluster::ShardGroups;

/// Limits of this node. A write that would exceed one is refused; deletes and searches go on.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Most bytes of memory for rows, codes and ids; `None` for no limit.
    pub memory: Option<u64>,
    /// Bytes of the disk under `directory` to leave free.
    pub disk_reserve: u64,
    /// Where the data is.
    pub directory: PathBuf,
}

impl Budget {
    /// Whether a further write of `len` bytes fits; if not, what to do about it.
    pub(super) fn admit(&self, groups: &ShardGroups, len: u64) -> Result<(), String> {
        if let Some(budget) = self.memory {
            let used = memory_bytes(groups);
            if used.saturating_add(len) > budget {
                return Err(format!(
                    "the memory budget of {budget} bytes would be exceeded ({used} in use, {len} \
                     more asked for): delete vectors, raise `memory_budget`, or add a shard node"
                ));
            }
        }
        // An unknown amount of free space is no reason to refuse: the write itself will tell.
        if let Some(free) = self.free_disk()
            && free.saturating_sub(len) < self.disk_reserve
        {
            return Err(format!(
                "the disk reserve of {} bytes would be touched ({free} bytes free in {}): free \
                 some space or lower `disk_reserve`",
                self.disk_reserve,
                self.directory.display()
            ));
        }
        Ok(())
    }

    fn free_disk(&self) -> Option<u64> {
        rustix::fs::statvfs(&self.directory)
            .ok()
            .map(|volume| volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

/// Bytes that the shards of `groups` keep in memory.
pub(super) fn memory_bytes(groups: &ShardGroups) -> u64 {
    groups
        .all()
        .iter()
        .map(|(_, group)| group.shard().memory_bytes())
        .sum()
}
