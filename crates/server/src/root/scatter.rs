//! Searches and fetches: asks every shard's leader, one call a node, until all have answered.

use std::collections::BTreeMap;

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use vectra_cluster::{NodeId, ShardId, placement::PlacementMap};
use vectra_wire::v1::fetch_response::Outcome;

use super::leaves::CallError;
use super::patience::{Patience, Trouble};
use super::{DEFAULT_COLLECTION, Precision, Root, RootError, SearchAnswer, SearchQuery, gather};
use crate::leaf::LeafAnswer;

impl Root {
    /// The `k` nearest neighbours over all shards.
    pub async fn search(
        &self,
        query: SearchQuery,
        deadline: Instant,
    ) -> Result<SearchAnswer, RootError> {
        let patience = Patience::until(deadline);
        let map = self.map_to_read(patience).await?;
        self.check_dimension(&map, query.vector.len())?;
        let Some(collection) = map.collections.get(DEFAULT_COLLECTION) else {
            let certified = query.precision == Precision::Exact;
            return Ok(SearchAnswer {
                hits: Vec::new(),
                certified,
            });
        };

        let mut unanswered = collection.shards.clone();
        let mut hits = Vec::new();
        let mut certified = true;
        let mut trouble = Trouble::default();
        for attempt in 0.. {
            patience.before(attempt).await;
            if patience.is_over() {
                return Err(patience.over(unanswered, trouble));
            }
            let calls = self.by_node(&map, &unanswered, attempt);
            let answers = join_all(
                calls
                    .iter()
                    .map(|(&node, shards)| self.search_node(node, shards, &query, patience)),
            );
            let mut still_unanswered = Vec::new();
            for ((&node, shards), answer) in calls.iter().zip(answers.await) {
                match answer {
                    Ok(answer) => {
                        for refusal in &answer.not_leaders {
                            self.directory.correct(refusal.shard, node, refusal.leader);
                            still_unanswered.push(refusal.shard);
                            trouble = Trouble::Refused(refusal.reason.clone());
                        }
                        certified &= answer.certified;
                        hits.extend(answer.hits);
                    }
                    Err(CallError::Overloaded(reason)) => {
                        return Err(RootError::Overloaded(reason));
                    }
                    Err(CallError::Failed(reason)) => return Err(RootError::Internal(reason)),
                    Err(lost) => {
                        shards
                            .iter()
                            .for_each(|&shard| self.directory.lost(shard, node));
                        still_unanswered.extend(shards);
                        trouble = lost.trouble(node);
                    }
                }
            }
            unanswered = still_unanswered;
            if unanswered.is_empty() {
                break;
            }
        }
        Ok(SearchAnswer {
            hits: gather::merge(hits, query.k),
            certified,
        })
    }

    /// The vector stored under `id`.
    pub async fn fetch(&self, id: &str, deadline: Instant) -> Result<Option<Vec<f32>>, RootError> {
        let patience = Patience::until(deadline);
        let map = self.map_to_read(patience).await?;
        let Some(shard) = map.shard_of(DEFAULT_COLLECTION, id) else {
            return Ok(None);
        };
        let mut trouble = Trouble::default();
        for attempt in 0.. {
            patience.before(attempt).await;
            if patience.is_over() {
                break;
            }
            let Some(node) = self.pick(&map, shard, attempt) else {
                continue;
            };
            let within = patience.for_one_call();
            let call = timeout(within, self.leaves.fetch(node, shard, id, within)).await;
            match call.unwrap_or_else(|_| Err(silent(node))) {
                Ok(Outcome::Vector(bytes)) => {
                    let vector = vectra_wire::floats_from_bytes(&bytes);
                    return vector.map(Some).ok_or_else(|| {
                        RootError::Internal(format!("node {node} sent half a float"))
                    });
                }
                Ok(Outcome::Absent(_)) => return Ok(None),
                Ok(Outcome::NotLeader(refusal)) => {
                    self.directory.correct(shard, node, refusal.leader);
                    trouble = Trouble::Refused(refusal.reason);
                }
                Err(CallError::Overloaded(reason)) => return Err(RootError::Overloaded(reason)),
                Err(CallError::Failed(reason)) => return Err(RootError::Internal(reason)),
                Err(lost) => {
                    self.directory.lost(shard, node);
                    trouble = lost.trouble(node);
                }
            }
        }
        Err(patience.over(vec![shard], trouble))
    }

    async fn search_node(
        &self,
        node: NodeId,
        shards: &[ShardId],
        query: &SearchQuery,
        patience: Patience,
    ) -> Result<LeafAnswer, CallError> {
        let within = patience.for_one_call();
        let call = timeout(within, self.leaves.search(node, shards, query, within)).await;
        call.unwrap_or_else(|_| Err(silent(node)))
    }

    /// Groups shards by the node to ask for them.
    fn by_node(
        &self,
        map: &PlacementMap,
        shards: &[ShardId],
        attempt: usize,
    ) -> BTreeMap<NodeId, Vec<ShardId>> {
        let mut calls: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        for &shard in shards {
            if let Some(node) = self.pick(map, shard, attempt) {
                calls.entry(node).or_default().push(shard);
            }
        }
        calls
    }

    /// The replica of `shard` to ask in this attempt.
    pub(super) fn pick(
        &self,
        map: &PlacementMap,
        shard: ShardId,
        attempt: usize,
    ) -> Option<NodeId> {
        let placed = map.shards.get(&shard)?;
        // On the way from some replicas to others, any of them may lead.
        let mut replicas = placed.replicas.clone();
        let coming = placed.hosts();
        replicas.extend(coming.iter().filter(|node| !placed.replicas.contains(node)));
        self.directory.pick(shard, &replicas, attempt)
    }
}

/// A node took the call and did not answer it in time.
pub(super) fn silent(node: NodeId) -> CallError {
    CallError::Lost(format!("node {node} did not answer in time"))
}
