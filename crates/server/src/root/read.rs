//! Searches and fetches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use vectra_cluster::placement::{self, HashRange, PlacementMap};
use vectra_cluster::{NodeId, ShardId};
use vectra_wire::v1::fetch_response::Outcome;

use super::leaves::CallError;
use super::patience::Patience;
use super::scatter::{Gathered, Known, Reply, Terms, scatter};
use super::spread::{self, Load, Spread};
use super::target::Target;
use super::{
    Consistency, DEFAULT_COLLECTION, Precision, Root, RootError, SearchAnswer, SearchQuery, gather,
};
use crate::leaf::Asked;

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
        let under_way = Arc::clone(&self.searches);
        let count = Arc::strong_count(&under_way) - 1;
        let loads = self.loads(&map);
        let terms = Terms {
            consistency: query.consistency,
            spread: Spread::of_one_among(count, &loads, query.consistency),
            allow_partial: query.allow_partial,
            patience,
        };
        let query = &query;
        let call = |node, targets: Vec<Target>, within| async move {
            let asked: Vec<Asked> = targets.iter().map(Target::asked).collect();
            let answer = self.leaves.search(node, &asked, query, within).await?;
            Ok(Reply {
                answer: (answer.hits, answer.certified),
                refusals: answer.not_leaders,
                children: answer.children,
            })
        };
        let shards = collection.shards.iter();
        let all_of = |id: &ShardId| Some(Target::all_of(*id, map.shards.get(id)?));
        let targets: Vec<Target> = shards.filter_map(all_of).collect();
        let Gathered {
            answers,
            mut missing,
        } = scatter(self.known(&loads, terms.spread), &targets, terms, call).await?;
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
        let shard = map.shard_of(DEFAULT_COLLECTION, id);
        let Some((shard, placed)) = shard.and_then(|id| Some((id, map.shards.get(&id)?))) else {
            return Ok(None);
        };
        let hash = placement::hash(id);
        let target = Target {
            range: HashRange {
                first: hash,
                last: hash,
            },
            ..Target::all_of(shard, placed)
        };
        let loads = self.loads(&map);
        let spread = Spread::of_fetch(consistency);
        let terms = Terms {
            consistency,
            spread,
            allow_partial: false,
            patience,
        };
        let call = |node, targets: Vec<Target>, within| async move {
            let shard = targets.first().map_or(shard, |target| target.shard);
            let outcome = self.leaves.fetch(node, shard, id, consistency, within);
            let (mut refusals, mut children) = (Vec::new(), Vec::new());
            let answer = match outcome.await? {
                Outcome::Vector(bytes) => {
                    let vector = vectra_wire::floats_from_bytes(&bytes);
                    let half = || CallError::Failed(format!("node {node} sent half a float"));
                    Some(vector.ok_or_else(half)?)
                }
                Outcome::Absent(_) => None,
                Outcome::NotLeader(refusal) => {
                    refusals.push(refusal);
                    None
                }
                Outcome::Elsewhere(elsewhere) => {
                    children.push(elsewhere);
                    None
                }
            };
            Ok(Reply {
                answer,
                refusals,
                children,
            })
        };
        let gathered = scatter(self.known(&loads, terms.spread), &[target], terms, call).await?;
        Ok(gathered.answers.into_answers().next().flatten())
    }

    fn known(&self, loads: &[Load], spread: Spread) -> Known<'_> {
        let order = match spread {
            Spread::OverLeaders => Vec::new(),
            Spread::OverFewestNodes => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                spread::order(loads, turn)
            }
        };
        Known {
            directory: &self.directory,
            latencies: &self.latencies,
            hedge_after: spread::hedge_after(loads, self.latencies.patience()),
            maps: self.placement.map(),
            order,
            share_cores: spread::share_cores(loads),
        }
    }

    /// What every node is asked for at this moment.
    fn loads(&self, map: &PlacementMap) -> Vec<Load> {
        let load = |&node: &NodeId| {
            let (under_way, may_be) = self.leaves.searches_under_way(node);
            Load {
                node,
                machine: self.directory.machine(node),
                under_way,
                may_be,
            }
        };
        map.nodes.keys().map(load).collect()
    }
}
