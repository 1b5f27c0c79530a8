//! A search over this node's shards, each of them read as of one moment after it came.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use vectra_cluster::{Consistency, NotLeader, Readable, ShardId};
use vectra_kernel::Query;
use vectra_store::ShardView;
use vectra_wire::v1;

use super::search_job::SearchJob;
use super::{Asked, Leaf, LeafAnswer, LeafError, Scanning, children_of, not_leader};
use crate::root::Precision;

/// Replicas that have applied nothing for so long are presumed to have what their leaders have: they are scanned while
/// the leaders are asked. Where that was wrong a search is scanned for twice. With writes that come by chance, and
/// leaders that answer in 5 ms, that is so with 0.4 % of the searches at the most, be the writes as many as they may.
const QUIET: Duration = Duration::from_millis(500);

/// Whether this replica may answer, for each shard that is asked for.
type States = Vec<Result<Readable, NotLeader>>;

/// What there is to scan, and what is told of other shards.
#[derive(Default)]
struct Ready {
    views: Vec<Arc<ShardView>>,
    not_leaders: Vec<v1::NotLeader>,
    children: Vec<v1::Children>,
}

/// How long replicas must have applied nothing to be presumed up to date. Where a search takes no time, as in a
/// simulation, nothing is lost by presuming it always.
pub(super) fn quiet(scanning: Scanning) -> Duration {
    match scanning {
        Scanning::OnThreads(_) => QUIET,
        Scanning::InTurn => Duration::ZERO,
    }
}

impl Leaf {
    /// The `k` best rows over `shards`, each read as of one moment.
    pub async fn search(
        &self,
        shards: &[Asked],
        vector: Vec<f32>,
        k: usize,
        precision: Precision,
        consistency: Consistency,
    ) -> Result<LeafAnswer, LeafError> {
        let _under_way = self.searches.begin();
        let query = Query::new(vector)?;
        let scan = |views| {
            let job = SearchJob::new(query.clone(), k, precision, views);
            self.searches.scanned(self.pool.search(job))
        };
        let asked_for: Vec<ShardId> = shards.iter().map(|asked| asked.shard).collect();
        let presumed = self.presumed(shards, &asked_for, consistency, query.dimension());
        let apart = self.searches.apart(presumed.is_some());
        let states = self.groups.readable(&asked_for, consistency, apart);
        let (states, found) = match presumed {
            Some(presumed) => {
                let views = presumed.iter().map(|state| Arc::clone(&state.view));
                let found = scan(views.collect());
                while_asked(states, &presumed, found).await
            }
            None => (states.await, None),
        };
        let Ready {
            views,
            not_leaders,
            children,
        } = ready(shards, states, query.dimension())?;
        let found = match found {
            Some(found) => found,
            None => scan(views).await,
        };
        Ok(LeafAnswer {
            hits: found?,
            certified: precision == Precision::Exact,
            not_leaders,
            children,
        })
    }

    /// What the search may begin with before the leaders have answered; `None` if it should wait for them.
    fn presumed(
        &self,
        shards: &[Asked],
        asked_for: &[ShardId],
        consistency: Consistency,
        dimension: usize,
    ) -> Option<Vec<Readable>> {
        let presumed = self.groups.presumed(asked_for, consistency, self.quiet)?;
        let is_plain = |(&asked, state): (&Asked, &Readable)| {
            let is_known = matches!(unknown_children(asked, state), Ok(None));
            is_known && state.view.dimension() == dimension
        };
        let is_plain = shards.iter().zip(&presumed).all(is_plain);
        is_plain.then_some(presumed)
    }
}

/// Waits for what is asked, and for what is found meanwhile in states that were presumed: that is the answer if what was
/// presumed is what there is. Else it is not waited for.
async fn while_asked<T>(
    asked: impl Future<Output = States>,
    presumed: &[Readable],
    found: impl Future<Output = T>,
) -> (States, Option<T>) {
    let stands = |states: &States| {
        let mut pairs = states.iter().zip(presumed);
        pairs.all(|(state, presumed)| state.as_ref().is_ok_and(|state| state.is_same(presumed)))
    };
    match select(pin!(asked), pin!(found)).await {
        Either::Left((states, found)) => {
            let found = if stands(&states) {
                Some(found.await)
            } else {
                None
            };
            (states, found)
        }
        Either::Right((found, asked)) => {
            let states = asked.await;
            let found = stands(&states).then_some(found);
            (states, found)
        }
    }
}

fn ready(shards: &[Asked], states: States, dimension: usize) -> Result<Ready, LeafError> {
    let mut ready = Ready::default();
    for (&asked, state) in shards.iter().zip(states) {
        let shard = asked.shard;
        let state = state.map_err(|refusal| not_leader(shard, refusal));
        let told = state.and_then(|state| {
            let unknown = unknown_children(asked, &state)?;
            Ok((state.view, unknown))
        });
        let (view, unknown) = match told {
            Ok(told) => told,
            Err(refusal) => {
                ready.not_leaders.push(refusal);
                continue;
            }
        };
        if view.dimension() != dimension {
            return Err(LeafError::Dimension {
                shard,
                expected: view.dimension(),
                got: dimension,
            });
        }
        ready.views.push(view);
        ready.children.extend(unknown);
    }
    Ok(ready)
}

/// The shards that have split off and that the one who asks does not know of, if any. An answer that it would
/// take for less than it is, or for more, is refused.
fn unknown_children(asked: Asked, state: &Readable) -> Result<Option<v1::Children>, v1::NotLeader> {
    let refused = |reason: &str| v1::NotLeader {
        shard: asked.shard,
        leader: None,
        reason: reason.to_owned(),
    };
    let known = asked.splits.map_or(0, |splits| splits as usize);
    match state.children.get(known..) {
        None => Err(refused("this replica has yet to see the shard split")),
        Some([]) => Ok(None),
        Some(_) if asked.splits.is_none() => Err(refused(
            "the coordinator is of a version that knows no splits",
        )),
        Some(unknown) => Ok(Some(children_of(asked.shard, unknown))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::yield_now;
    use vectra_store::{Shard, StoreOptions, WriteBatch};

    use super::*;

    fn state(shard: &Shard) -> Readable {
        Readable {
            view: shard.view(),
            range: None,
            children: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_was_found_counts_if_the_states_are_those_that_were_presumed() {
        let directory = tempfile::tempdir().unwrap();
        let shard = Shard::open(directory.path(), 1, StoreOptions::default()).unwrap();
        let presumed = [state(&shard)];
        let later = async |states: States| {
            yield_now().await;
            states
        };
        let same = || vec![Ok(state(&shard))];
        let (_, found) = while_asked(ready(same()), &presumed, async {
            yield_now().await;
            "found"
        })
        .await;
        assert_eq!(found, Some("found"), "though the leader answered first");
        let (_, found) = while_asked(later(same()), &presumed, ready("found")).await;
        assert_eq!(found, Some("found"));

        let refusal = NotLeader {
            leader: None,
            reason: "it is silent".to_owned(),
        };
        let (states, found) = while_asked(
            later(vec![Err(refusal.clone())]),
            &presumed,
            ready("nothing"),
        )
        .await;
        assert!(states[0].is_err());
        assert_eq!(found, None);

        let batch = WriteBatch::Upsert {
            ids: vec!["new".to_owned()],
            dimension: 1,
            vectors: vec![1.0],
        };
        shard.apply(&batch.encode()).unwrap();
        let (states, found) = while_asked(later(same()), &presumed, ready("nothing")).await;
        assert_eq!(states[0].as_ref().unwrap().view.live_rows(), 1);
        assert_eq!(found, None, "it lacks a row");
        let (_, found) = while_asked(ready(same()), &presumed, pending::<()>()).await;
        assert_eq!(found, None, "it is not waited for");
    }
}
