//! Ingests and deletes: one batch a shard, each proposed to the raft group of its shard.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use vectra_cluster::placement::{self, Child, PlacementMap};
use vectra_cluster::{MAX_BATCH_BYTES, NodeId, ShardId};
use vectra_store::{StoreError, WriteBatch};
use vectra_wire::v1::write_response::Outcome;

use super::asking::replicas_of;
use super::leaves::{CallError, silent};
use super::patience::{Patience, Trouble};
use super::target::children_of;
use super::{DEFAULT_COLLECTION, IngestBatch, Root, RootError};

/// Bytes that an id may add to a batch beyond its text: its place in the archive.
const ID_OVERHEAD: usize = 16;

/// The most that one batch holds. Raft sends an entry within one heartbeat's time or sends it
/// again, so a larger one would unsettle a slow network; batches of a shard follow each other.
const BATCH_BYTES: usize = 2 << 20;

// A single vector of 4,096 dimensions with its id fits many times over.
const _: () = assert!(BATCH_BYTES <= MAX_BATCH_BYTES / 2);

impl Root {
    /// Stores vectors; returns how many. When it returns, they are on stable storage on a
    /// majority of each shard's replicas and every later search finds them.
    pub async fn ingest(&self, batch: IngestBatch, deadline: Instant) -> Result<u64, RootError> {
        let count = batch.ids.len() as u64;
        self.collection_for(batch.dimension, deadline).await?;
        let map = self.map_with_collection(deadline).await?;
        let batches = split_vectors(&map, batch)?;
        self.write_all(batches, true, deadline).await?;
        Ok(count)
    }

    /// Deletes ids; returns how many of them existed.
    pub async fn delete(&self, ids: Vec<String>, deadline: Instant) -> Result<u64, RootError> {
        let map = self.map_to_read(Patience::until(deadline)).await?;
        if !map.collections.contains_key(DEFAULT_COLLECTION) {
            return Ok(0);
        }
        let batches = split_ids(&map, ids)?;
        self.write_all(batches, false, deadline).await
    }

    /// The map once it holds the collection: it was made at the placement's leader, and this
    /// coordinator may hear of it a moment later.
    async fn map_with_collection(
        &self,
        deadline: Instant,
    ) -> Result<std::sync::Arc<PlacementMap>, RootError> {
        let patience = Patience::until(deadline);
        let mut maps = self.placement.map();
        let made = maps.wait_for(|map| map.collections.contains_key(DEFAULT_COLLECTION));
        match timeout(patience.left(), made).await {
            Ok(Ok(map)) => Ok(std::sync::Arc::clone(&map)),
            Ok(Err(_)) => Err(super::unplaced(
                "this coordinator is shutting down".to_owned(),
            )),
            Err(_) => {
                patience.check_deadline()?;
                Err(super::unplaced(
                    "this coordinator lags behind the placement".to_owned(),
                ))
            }
        }
    }

    /// Writes the batches of different shards at once and those of one shard in their order.
    /// Returns how many ids existed.
    async fn write_all(
        &self,
        batches: BTreeMap<ShardId, Vec<Bytes>>,
        grows: bool,
        deadline: Instant,
    ) -> Result<u64, RootError> {
        let writes = batches.into_iter().map(|(shard, batches)| async move {
            let mut existed = 0;
            for batch in batches {
                existed += self.write_shard(shard, &[], batch, grows, deadline).await?;
            }
            Ok(existed)
        });
        let mut existed = 0;
        let mut failure: Option<RootError> = None;
        for outcome in join_all(writes).await {
            match outcome {
                Ok(count) => existed += count,
                Err(error) => {
                    failure = Some(match failure {
                        Some(first) => first.and(error),
                        None => error,
                    });
                }
            }
        }
        failure.map_or(Ok(existed), Err)
    }

    /// Writes a batch to a shard, and what of it belongs to shards that have split off to those. Where
    /// the map does not know the shard yet, `family` are the replicas of the one it split off from.
    async fn write_shard(
        &self,
        shard: ShardId,
        family: &[NodeId],
        batch: Bytes,
        grows: bool,
        deadline: Instant,
    ) -> Result<u64, RootError> {
        let patience = Patience::until(deadline);
        let mut trouble = Trouble::default();
        for attempt in 0.. {
            patience.before(attempt).await;
            if patience.is_over() {
                break;
            }
            let mut replicas = replicas_of(&self.map(), shard);
            if replicas.is_empty() {
                replicas = family.to_vec();
            }
            let Some(node) = self.directory.pick(shard, &replicas, attempt) else {
                continue;
            };
            // Once sent, the write is waited for as long as may be: sending it a second time could
            // undo what another client wrote in between.
            let within = patience.left();
            let sent = timeout(
                within,
                self.leaves.write(node, shard, batch.clone(), grows, within),
            );
            let answer = tokio::select! {
                answer = sent => answer.unwrap_or_else(|_| Err(silent(node))),
                leader = self.directory.leads_instead(shard, node) => Err(CallError::Lost(format!(
                    "node {leader} leads shard {shard} since"
                ))),
            };
            let lost = match answer {
                Ok(Outcome::Written(written)) => return Ok(written.existed),
                Ok(Outcome::NotLeader(refusal)) => {
                    self.directory.correct(shard, node, refusal.leader);
                    trouble = Trouble::Refused(refusal.reason);
                    continue;
                }
                Ok(Outcome::OverBudget(reason)) => return Err(RootError::OverBudget(reason)),
                Ok(Outcome::Refused(reason)) => return Err(RootError::Internal(reason)),
                // Certainly not applied, so it may be sent again.
                Ok(Outcome::Elsewhere(elsewhere)) => {
                    let parts = parts_of(&batch, shard, &children_of(&elsewhere))?;
                    let mut existed = 0;
                    for (shard, part) in parts {
                        let written = self.write_shard(shard, &replicas, part, grows, deadline);
                        existed += Box::pin(written).await?;
                    }
                    return Ok(existed);
                }
                Ok(Outcome::Unknown(reason)) => reason,
                Err(unsent @ CallError::NotSent(_)) => {
                    self.directory.lost(shard, node);
                    trouble = unsent.trouble(node);
                    continue;
                }
                Err(CallError::Overloaded(reason)) => return Err(RootError::Overloaded(reason)),
                Err(CallError::Failed(reason) | CallError::Lost(reason)) => reason,
            };
            self.directory.lost(shard, node);
            patience.check_deadline()?;
            return Err(RootError::OutcomeUnknown {
                shards: vec![shard],
                reason: format!("node {node} was lost sight of while it wrote: {lost}"),
            });
        }
        Err(patience.over(vec![shard], trouble))
    }
}

/// Cuts an ingest into encoded batches by shard, none larger than one log entry may be.
fn split_vectors(
    map: &PlacementMap,
    batch: IngestBatch,
) -> Result<BTreeMap<ShardId, Vec<Bytes>>, RootError> {
    let IngestBatch {
        ids,
        dimension,
        vectors,
    } = batch;
    let shards: Vec<ShardId> = ids
        .iter()
        .map(|id| shard_of(map, id))
        .collect::<Result<_, _>>()?;
    let mut split = BTreeMap::<ShardId, Pending>::new();
    // Memory is taken once for all rows of a shard: growing step by step copies them over and over.
    for &shard in &shards {
        split.entry(shard).or_default().rows += 1;
    }
    let rows = ids.into_iter().zip(vectors.chunks_exact(dimension));
    for (shard, (id, vector)) in shards.into_iter().zip(rows) {
        let pending = split.entry(shard).or_default();
        if pending.ids.is_empty() {
            let most = BATCH_BYTES / (ID_OVERHEAD + size_of_val(vector));
            let rows = pending.rows.min(most);
            pending.ids.reserve_exact(rows);
            pending.vectors.reserve_exact(rows * dimension);
        }
        pending.rows -= 1;
        let bytes = id.len() + ID_OVERHEAD + size_of_val(vector);
        if pending.bytes + bytes > BATCH_BYTES {
            pending.close(dimension);
        }
        pending.bytes += bytes;
        pending.ids.push(id);
        pending.vectors.extend_from_slice(vector);
    }
    let closed = split.into_iter().map(|(shard, mut pending)| {
        pending.close(dimension);
        (shard, pending.encoded)
    });
    Ok(closed.collect())
}

/// Cuts a delete into encoded batches by shard.
fn split_ids(
    map: &PlacementMap,
    ids: Vec<String>,
) -> Result<BTreeMap<ShardId, Vec<Bytes>>, RootError> {
    let mut split = BTreeMap::<ShardId, Vec<String>>::new();
    for id in ids {
        split.entry(shard_of(map, &id)?).or_default().push(id);
    }
    // An id takes at most 512 bytes and its place in the archive.
    let per_batch = BATCH_BYTES / (512 + ID_OVERHEAD);
    let encode = |ids: &[String]| WriteBatch::Delete { ids: ids.to_vec() }.encode();
    let encoded = split
        .into_iter()
        .map(|(shard, ids)| (shard, ids.chunks(per_batch).map(encode).collect()));
    Ok(encoded.collect())
}

/// Cuts a batch that a shard has refused into one for each of the shards that its ids belong to.
fn parts_of(
    batch: &[u8],
    shard: ShardId,
    children: &[Child],
) -> Result<BTreeMap<ShardId, Bytes>, RootError> {
    let holder = |id: &String| {
        let hash = placement::hash(id);
        let child = children.iter().find(|child| child.range.contains(hash));
        child.map_or(shard, |child| child.shard)
    };
    let internal = |error: StoreError| RootError::Internal(error.to_string());
    let mut parts = BTreeMap::<ShardId, WriteBatch>::new();
    match WriteBatch::decode(batch).map_err(internal)? {
        WriteBatch::Upsert {
            ids,
            dimension,
            vectors,
        } => {
            let rows = vectors.chunks_exact((dimension as usize).max(1));
            for (id, vector) in ids.into_iter().zip(rows) {
                let part = parts.entry(holder(&id)).or_insert(WriteBatch::Upsert {
                    ids: Vec::new(),
                    dimension,
                    vectors: Vec::new(),
                });
                if let WriteBatch::Upsert { ids, vectors, .. } = part {
                    ids.push(id);
                    vectors.extend_from_slice(vector);
                }
            }
        }
        WriteBatch::Delete { ids } => {
            for id in ids {
                let part = parts.entry(holder(&id));
                let part = part.or_insert(WriteBatch::Delete { ids: Vec::new() });
                if let WriteBatch::Delete { ids } = part {
                    ids.push(id);
                }
            }
        }
    }
    if parts.keys().all(|holder| *holder == shard) {
        let reason = format!("shard {shard} refused ids as another's that belong to it");
        return Err(RootError::Internal(reason));
    }
    let encoded = parts
        .into_iter()
        .map(|(shard, part)| (shard, part.encode()));
    Ok(encoded.collect())
}

fn shard_of(map: &PlacementMap, id: &str) -> Result<ShardId, RootError> {
    map.shard_of(DEFAULT_COLLECTION, id)
        .ok_or_else(|| RootError::Internal("the placement map has a hole".to_owned()))
}

/// The rows of one shard, on their way into batches.
#[derive(Default)]
struct Pending {
    /// Rows still to come.
    rows: usize,
    ids: Vec<String>,
    vectors: Vec<f32>,
    bytes: usize,
    encoded: Vec<Bytes>,
}

impl Pending {
    fn close(&mut self, dimension: usize) {
        if self.ids.is_empty() {
            return;
        }
        let batch = WriteBatch::Upsert {
            ids: std::mem::take(&mut self.ids),
            // Checked against 4,096 when the collection was made.
            dimension: u32::try_from(dimension).unwrap_or(u32::MAX),
            vectors: std::mem::take(&mut self.vectors),
        };
        self.encoded.push(batch.encode());
        self.bytes = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use vectra_cluster::placement::HashRange;

    use super::*;

    /// Those with the upper half of all hashes.
    fn upper(id: &str) -> bool {
        placement::hash(id) > u64::MAX / 2
    }

    fn child() -> Child {
        Child {
            shard: 9,
            range: HashRange {
                first: u64::MAX / 2 + 1,
                last: u64::MAX,
            },
        }
    }

    #[test]
    fn a_refused_batch_is_cut_by_who_has_its_ids_and_keeps_their_order() {
        let ids: Vec<String> = (0..20)
            .map(|number| format!("id-{}", number % 15))
            .collect();
        let vectors: Vec<f32> = (0..40_u8).map(f32::from).collect();
        let batch = WriteBatch::Upsert {
            ids: ids.clone(),
            dimension: 2,
            vectors: vectors.clone(),
        };
        let parts = parts_of(&batch.encode(), 4, &[child()]).unwrap();
        assert_eq!(parts.keys().copied().collect::<Vec<_>>(), [4, 9]);
        for (shard, part) in parts {
            let of_it = |id: &&String| upper(id) == (shard == 9);
            let rows = ids.iter().zip(vectors.chunks_exact(2));
            let rows: Vec<_> = rows.filter(|(id, _)| of_it(id)).collect();
            let expected = WriteBatch::Upsert {
                ids: rows.iter().map(|(id, _)| (*id).clone()).collect(),
                dimension: 2,
                vectors: rows.iter().flat_map(|(_, row)| row.to_vec()).collect(),
            };
            assert_eq!(WriteBatch::decode(&part).unwrap(), expected);
        }
        let delete = WriteBatch::Delete { ids };
        let parts = parts_of(&delete.encode(), 4, &[child()]).unwrap();
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn a_batch_that_only_the_one_who_refused_it_can_take_is_not_sent_on_and_on() {
        let ids = (0..20).map(|number| format!("id-{number}"));
        let ids = ids.filter(|id| !upper(id)).collect();
        let delete = WriteBatch::Delete { ids };
        let parts = parts_of(&delete.encode(), 4, &[child()]);
        assert!(matches!(parts, Err(RootError::Internal(_))), "{parts:?}");
    }
}
