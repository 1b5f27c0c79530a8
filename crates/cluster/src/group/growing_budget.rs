//! One limit for the growing rows of all shards of a node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectra_store::Shard;

use crate::ShardId;
use crate::machine::Progress;

/// Growing rows of a node that call for a checkpoint, in shards that are full: a node with many
/// shards seals each before it is.
const FULL_SHARDS: u64 = 4;

/// Writes wait while growing rows, those being sealed included, take this many times the limit.
const PATIENCE: u64 = 2;

/// Keeps the growing rows of all shards of this node under one limit, however many shards there
/// are: over it, the shard with the most seals first.
#[derive(Clone)]
pub(super) struct GrowingBudget {
    limit: u64,
    members: Arc<Mutex<BTreeMap<ShardId, Member>>>,
}

struct Member {
    shard: Arc<Shard>,
    progress: Arc<Progress>,
}

/// One shard's part in the budget, for as long as this lives.
pub(super) struct GrowingShare {
    budget: GrowingBudget,
    id: ShardId,
}

impl GrowingBudget {
    /// For shards that are full at `seal_bytes`.
    pub(super) fn new(seal_bytes: u64) -> Self {
        Self {
            limit: FULL_SHARDS.saturating_mul(seal_bytes),
            members: Arc::default(),
        }
    }

    pub(super) fn join(
        &self,
        id: ShardId,
        shard: Arc<Shard>,
        progress: Arc<Progress>,
    ) -> GrowingShare {
        self.members().insert(id, Member { shard, progress });
        GrowingShare {
            budget: self.clone(),
            id,
        }
    }

    /// Whether further rows may grow, or must wait for checkpoints.
    pub(super) fn has_room(&self) -> bool {
        let members = self.members();
        let growing: u64 = members
            .values()
            .map(|member| member.shard.growing_bytes())
            .sum();
        growing <= PATIENCE * self.limit
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<ShardId, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GrowingShare {
    /// Whether this shard must be sealed for the node's sake. If another must, that one is told.
    pub(super) fn is_over(&self) -> bool {
        let members = self.budget.members();
        let unsealed = members
            .iter()
            .filter(|(_, member)| !member.progress.is_sealing())
            .map(|(id, member)| (member.shard.growing_bytes(), *id));
        let (mut total, mut largest) = (0, (0, self.id));
        for (bytes, id) in unsealed {
            total += bytes;
            largest = largest.max((bytes, id));
        }
        if total <= self.budget.limit {
            return false;
        }
        let (_, largest) = largest;
        if largest != self.id
            && let Some(member) = members.get(&largest)
        {
            member.progress.changed.notify_one();
        }
        largest == self.id
    }
}

impl Drop for GrowingShare {
    fn drop(&mut self) {
        self.budget.members().remove(&self.id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use std::time::Duration;

    use vectra_store::{StoreOptions, WriteBatch};

    use super::*;
    use crate::LogEngine;
    use crate::machine::{Children, ShardMachine};

    /// Bytes of one row.
    const ROW: u64 = 16;

    fn grow(shard: &Shard, rows: usize) {
        let batch = WriteBatch::Upsert {
            ids: (0..rows).map(|row| row.to_string()).collect(),
            dimension: 4,
            vectors: vec![1.0; 4 * rows],
        };
        shard.apply(&batch.encode()).unwrap();
    }

    #[tokio::test]
    async fn over_the_limit_the_largest_shard_seals_and_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let budget = GrowingBudget::new(100 * ROW);
        let log = LogEngine::open(&directory.path().join("log")).unwrap();
        let children = Children::new(1, log, directory.path().to_path_buf(), || {});
        let members: Vec<_> = (1..=3)
            .map(|id: ShardId| {
                let path = directory.path().join(id.to_string());
                let shard = Arc::new(Shard::open(&path, 4, StoreOptions::default()).unwrap());
                let progress = ShardMachine::new(shard.clone(), children.clone())
                    .unwrap()
                    .progress();
                let share = budget.join(id, shard.clone(), progress.clone());
                (shard, progress, share)
            })
            .collect();
        let over = || -> Vec<bool> {
            members
                .iter()
                .map(|(_, _, share)| share.is_over())
                .collect()
        };
        grow(&members[0].0, 90);
        grow(&members[1].0, 210);
        grow(&members[2].0, 100);
        assert_eq!(over(), [false; 3], "exactly the limit");
        assert!(budget.has_room());

        grow(&members[0].0, 1);
        assert_eq!(over(), [false, true, false]);
        let told = members[1].1.changed.notified();
        tokio::time::timeout(Duration::from_secs(60), told)
            .await
            .unwrap();

        grow(&members[2].0, 410);
        assert_eq!(over(), [false, false, true]);
        assert!(!budget.has_room(), "more than twice the limit");
        drop(members);
        assert!(budget.has_room());
    }
}
