//! Searches and fetches.

use std::sync::atomic::Ordering;

use tokio::time::Instant;
use vectra_wire::v1::fetch_response::Outcome;

use super::leaves::CallError;
use super::patience::Patience;
use super::scatter::{Gathered, Known, Reply, Terms, scatter};
use super::{
    Consistency, DEFAULT_COLLECTION, Precision, Root, RootError, SearchAnswer, SearchQuery, gather,
};

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
        let mut certified = query.precision == Precision::Exact;
        let Some(collection) = map.collections.get(DEFAULT_COLLECTION) else {
            return Ok(SearchAnswer {
                hits: Vec::new(),
                certified,
                missing_shards: Vec::new(),
            });
        };
        let terms = Terms {
            consistency: query.consistency,
            allow_partial: query.allow_partial,
            patience,
        };
        let query = &query;
        let call = |node, shards, within| async move {
            let answer = self.leaves.search(node, shards, query, within).await?;
            Ok(Reply {
                answer: (answer.hits, answer.certified),
                refusals: answer.not_leaders,
            })
        };
        let Gathered {
            answers,
            mut missing,
        } = scatter(self.known(), &collection.shards, terms, call).await?;
        missing.sort_unstable();
        // Of what is missing nothing is proven.
        certified &= missing.is_empty();
        let mut hits = Vec::new();
        for (of_leaf, is_certified) in answers.into_answers() {
            hits.extend(of_leaf);
            certified &= is_certified;
        }
        Ok(SearchAnswer {
            hits: gather::merge(hits, query.k),
            certified,
            missing_shards: missing,
        })
    }

    /// The vector stored under `id`.
    pub async fn fetch(
        &self,
        id: &str,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Option<Vec<f32>>, RootError> {
        let patience = Patience::until(deadline);
        let map = self.map_to_read(patience).await?;
        let Some(shard) = map.shard_of(DEFAULT_COLLECTION, id) else {
            return Ok(None);
        };
        let terms = Terms {
            consistency,
            allow_partial: false,
            patience,
        };
        let call = |node, _, within| async move {
            let outcome = self.leaves.fetch(node, shard, id, consistency, within);
            let (answer, refusals) = match outcome.await? {
                Outcome::Vector(bytes) => {
                    let vector = vectra_wire::floats_from_bytes(&bytes);
                    let half = || CallError::Failed(format!("node {node} sent half a float"));
                    (Some(vector.ok_or_else(half)?), Vec::new())
                }
                Outcome::Absent(_) => (None, Vec::new()),
                Outcome::NotLeader(refusal) => (None, vec![refusal]),
            };
            Ok(Reply { answer, refusals })
        };
        let gathered = scatter(self.known(), &[shard], terms, call).await?;
        Ok(gathered.answers.into_answers().next().flatten())
    }

    fn known(&self) -> Known<'_> {
        Known {
            directory: &self.directory,
            latencies: &self.latencies,
            maps: self.placement.map(),
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
        }
    }
}
