//! Ingests and deletes: one batch a shard, each proposed to the raft group of its shard.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use vectra_cluster::{MAX_BATCH_BYTES, ShardId, placement::PlacementMap};
use vectra_store::WriteBatch;
use vectra_wire::v1::write_response::Outcome;

use super::leaves::{CallError, silent};
use super::patience::{Patience, Trouble};
use super::scatter::replicas_of;
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
        self.write_all(&map, batches, true, deadline).await?;
        Ok(count)
    }

    /// Deletes ids; returns how many of them existed.
    pub async fn delete(&self, ids: Vec<String>, deadline: Instant) -> Result<u64, RootError> {
        let map = self.map_to_read(Patience::until(deadline)).await?;
        if !map.collections.contains_key(DEFAULT_COLLECTION) {
            return Ok(0);
        }
        let batches = split_ids(&map, ids)?;
        self.write_all(&map, batches, false, deadline).await
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
        map: &PlacementMap,
        batches: BTreeMap<ShardId, Vec<Bytes>>,
        grows: bool,
        deadline: Instant,
    ) -> Result<u64, RootError> {
        let writes = batches.into_iter().map(|(shard, batches)| async move {
            let mut existed = 0;
            for batch in batches {
                existed += self.write_shard(map, shard, batch, grows, deadline).await?;
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

    async fn write_shard(
        &self,
        map: &PlacementMap,
        shard: ShardId,
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
            let replicas = replicas_of(map, shard);
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
            let lost = match sent.await.unwrap_or_else(|_| Err(silent(node))) {
                Ok(Outcome::Written(written)) => return Ok(written.existed),
                Ok(Outcome::NotLeader(refusal)) => {
                    self.directory.correct(shard, node, refusal.leader);
                    trouble = Trouble::Refused(refusal.reason);
                    continue;
                }
                Ok(Outcome::OverBudget(reason)) => return Err(RootError::OverBudget(reason)),
                Ok(Outcome::Refused(reason)) => return Err(RootError::Internal(reason)),
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
