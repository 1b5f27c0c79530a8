//! Whether the replicas of each shard hold the same rows.

use futures::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use vectra_cluster::{NodeId, ReplicaDigest, ShardId};

use super::leaves::{CallError, silent};
use super::patience::Patience;
use super::{Root, RootError};

/// The replicas of one shard, compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShardDigests {
    /// Shard id.
    pub id: u64,
    /// Whether all replicas hold the same rows; absent while they have not applied the same entries, as
    /// when writes are under way, or while one does not answer.
    pub equal: Option<bool>,
    /// What each of them holds.
    pub replicas: Vec<Held>,
}

/// What one replica holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Held {
    /// The node that it is on.
    pub node: u64,
    /// Entries of the shard's log that it has applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// A sum over its rows, ids and float32 bits, as 32 hexadecimal digits: equal rows have equal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Root {
    /// Compares the replicas of every shard, one shard after the other: each of them reads all its
    /// rows, all at once would disturb the searches.
    pub async fn digests(&self, deadline: Instant) -> Result<Vec<ShardDigests>, RootError> {
        let began = Instant::now();
        let map = self.map_to_read(Patience::until(deadline)).await?;
        let mut all = Vec::with_capacity(map.shards.len());
        for (&id, shard) in &map.shards {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RootError::Deadline(
                    deadline.saturating_duration_since(began),
                ));
            }
            let asked = shard.replicas.iter().map(|&node| async move {
                let digest = timeout(left, self.leaves.digest(node, id, left)).await;
                (node, digest.unwrap_or_else(|_| Err(silent(node))))
            });
            all.push(compared(id, join_all(asked).await));
        }
        Ok(all)
    }
}

fn compared(id: ShardId, told: Vec<(NodeId, Result<ReplicaDigest, CallError>)>) -> ShardDigests {
    let digests: Option<Vec<ReplicaDigest>> = told
        .iter()
        .map(|(_, told)| told.as_ref().ok().copied())
        .collect();
    let equal = digests.and_then(|digests| {
        let first = *digests.first()?;
        let is_as_far = digests.iter().all(|one| one.entries == first.entries);
        is_as_far.then(|| digests.iter().all(|one| *one == first))
    });
    let replicas = told.into_iter().map(|(node, told)| match told {
        Ok(digest) => Held {
            node,
            entries: Some(digest.entries),
            rows: Some(digest.rows),
            digest: Some(format!("{:032x}", digest.digest)),
            fault: None,
        },
        Err(error) => Held {
            node,
            entries: None,
            rows: None,
            digest: None,
            fault: Some(error.to_string()),
        },
    });
    ShardDigests {
        id,
        equal,
        replicas: replicas.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(entries: u64, digest: u128) -> Result<ReplicaDigest, CallError> {
        Ok(ReplicaDigest {
            entries,
            rows: 5,
            digest,
        })
    }

    #[test]
    fn replicas_are_compared_only_at_the_same_entry() {
        let equal = |told: [Result<ReplicaDigest, CallError>; 2]| {
            compared(7, (1..).zip(told).collect()).equal
        };
        assert_eq!(equal([digest(9, 1), digest(9, 1)]), Some(true));
        assert_eq!(equal([digest(9, 1), digest(9, 2)]), Some(false));
        assert_eq!(equal([digest(9, 1), digest(8, 2)]), None);
        assert_eq!(equal([digest(9, 1), Err(silent(2))]), None);
    }
}
