//! Clients of one coordinator. They end with it; what was under way then has no outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep};
use vectra_kernel::Query;
use vectra_server::root::{Consistency, IngestBatch, Precision, Root, SearchQuery};

use crate::chance::{happens, source};
use crate::history::{DIMENSION, Found, Reading, vector_of};
use crate::world::{Stage, World, now};

/// Clients of each coordinator.
const CLIENTS: usize = 3;
/// Ids that a client works on at a time. It leaves one for a fresh one after an operation without outcome.
const IDS: usize = 6;
/// Searches that a client sends at the same time, if not one: more than there are nodes, so that each is answered by
/// as few as will do.
const TOGETHER: usize = 8;
/// The most hits that a search may ask for: all there are.
const ALL: usize = 10_000;

/// Starts the clients of a coordinator.
pub(crate) fn start(world: &Arc<World>, name: &str, root: &Arc<Root>) {
    for place in 0..CLIENTS {
        let number = world.history(|history| history.new_client());
        let client = Client {
            world: Arc::clone(world),
            root: Arc::clone(root),
            random: source(world.seed, &format!("client {number}")),
            coordinator: name.to_owned(),
            name: format!("client-{number}"),
            known: BTreeMap::new(),
            ids: 0,
        };
        tokio::spawn(client.live(place == 0));
    }
}

struct Client {
    world: Arc<World>,
    root: Arc<Root>,
    random: SmallRng,
    coordinator: String,
    name: String,
    /// Its ids, and whether each holds something.
    known: BTreeMap<String, bool>,
    ids: u64,
}

impl Client {
    async fn live(mut self, is_first: bool) {
        loop {
            if is_first {
                self.drain().await;
            }
            match self.world.stage() {
                Stage::Work => self.work().await,
                Stage::Rest => {}
                Stage::LastReads if is_first => {
                    self.read_all().await;
                    self.world.has_read_all(&self.coordinator);
                    return;
                }
                Stage::LastReads => return,
            }
            let pause = self.random.random_range(1..=120);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn work(&mut self) {
        match self.random.random_range(0..100) {
            0..45 => self.ingest().await,
            45..60 => self.delete().await,
            60..85 => self.fetch().await,
            _ => self.search().await,
        }
    }

    fn deadline(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.random.random_range(500..=8_000))
    }

    /// Some of its own ids, fresh ones where it has too few.
    fn own_ids(&mut self, most: usize) -> Vec<String> {
        while self.known.len() < IDS {
            self.ids += 1;
            self.known
                .insert(format!("{}-{}", self.name, self.ids), false);
        }
        let all: Vec<String> = self.known.keys().cloned().collect();
        let count = self.random.random_range(1..=most);
        all.choose_multiple(&mut self.random, count)
            .cloned()
            .collect()
    }

    async fn ingest(&mut self) {
        let ids = self.own_ids(4);
        let deadline = self.deadline();
        let (sent, vectors) = self.world.history(|history| {
            let mut sent = Vec::new();
            let mut vectors = Vec::new();
            for id in &ids {
                let version = history.new_version();
                vectors.extend(vector_of(version));
                sent.push(history.sent(id, Some(version), now()));
            }
            (sent, vectors)
        });
        let batch = IngestBatch {
            ids: ids.clone(),
            dimension: DIMENSION,
            vectors,
        };
        let outcome = self.root.ingest(batch, deadline).await;
        self.note(&format!("ingest {ids:?}: {}", shown(&outcome)));
        self.settle(&ids, &sent, outcome.is_ok(), true);
    }

    async fn delete(&mut self) {
        let ids = self.own_ids(2);
        let deadline = self.deadline();
        let existing = ids
            .iter()
            .filter(|id| self.known.get(*id) == Some(&true))
            .count() as u64;
        let sent = self.world.history(|history| {
            let sent = ids.iter().map(|id| history.sent(id, None, now()));
            sent.collect::<Vec<_>>()
        });
        let outcome = self.root.delete(ids.clone(), deadline).await;
        self.note(&format!("delete {ids:?}: {}", shown(&outcome)));
        if let Ok(existed) = outcome
            && existed != existing
        {
            self.world.violation(format!(
                "no acknowledged write is lost, no resurrection: {existing} of {ids:?} existed, and \
                 the delete says {existed}"
            ));
        }
        self.settle(&ids, &sent, outcome.is_ok(), false);
    }

    /// Notes the outcome of an operation; ids without one are left alone from here on.
    fn settle(&mut self, ids: &[String], sent: &[usize], is_done: bool, exist: bool) {
        self.world.history(|history| {
            for (id, operation) in ids.iter().zip(sent) {
                if is_done {
                    history.acknowledged(id, *operation, now());
                } else {
                    history.figures.without_outcome += 1;
                }
            }
        });
        for id in ids {
            if is_done {
                self.known.insert(id.clone(), exist);
            } else {
                self.known.remove(id);
            }
        }
    }

    async fn fetch(&mut self) {
        let all = self.world.history(|history| history.ids());
        let Some(id) = all.choose(&mut self.random).cloned() else {
            return;
        };
        let consistency = self.consistency();
        let deadline = self.deadline();
        self.fetch_one(&id, consistency, deadline).await;
    }

    /// Whether it was answered.
    async fn fetch_one(&mut self, id: &str, consistency: Consistency, deadline: Instant) -> bool {
        let began = now();
        let outcome = self.root.fetch(id, consistency, deadline).await;
        self.note(&format!("fetch {id} {consistency:?}: {}", shown(&outcome)));
        let Ok(vector) = outcome else {
            self.world
                .history(|history| history.figures.refused_reads += 1);
            return false;
        };
        self.world.history(|history| {
            let found = vector.map_or(Found::Nothing, |vector| history.version_of(&vector));
            history.read(&Reading {
                id: id.to_owned(),
                began,
                ended: now(),
                consistency,
                found,
            });
        });
        true
    }

    async fn search(&mut self) {
        let consistency = self.consistency();
        let deadline = self.deadline();
        let count = if happens(&mut self.random, 0.5) {
            TOGETHER
        } else {
            1
        };
        let vectors: Vec<Vec<f32>> = (0..count).map(|_| self.vector()).collect();
        let searches = vectors
            .into_iter()
            .map(|vector| self.search_all(vector, consistency, deadline));
        join_all(searches).await;
    }

    /// One that nobody has stored.
    fn vector(&mut self) -> Vec<f32> {
        vector_of(self.random.random_range(1 << 32..1 << 33)).to_vec()
    }

    /// Searches for everything: each id is found once or not at all. Whether it was answered.
    async fn search_all(
        &self,
        vector: Vec<f32>,
        consistency: Consistency,
        deadline: Instant,
    ) -> bool {
        let query = SearchQuery {
            vector: vector.clone(),
            k: ALL,
            precision: Precision::Exact,
            consistency,
            allow_partial: false,
        };
        let began = now();
        let outcome = self.root.search(query, deadline).await;
        let hits = outcome.as_ref().map(|answer| answer.hits.len());
        self.note(&format!("search {consistency:?}: {}", shown(&hits)));
        let Ok(answer) = outcome else {
            self.world
                .history(|history| history.figures.refused_reads += 1);
            return false;
        };
        let Ok(query) = Query::new(vector) else {
            return false;
        };
        let ended = now();
        self.world.history(|history| {
            let mut scores = BTreeMap::new();
            for hit in answer.hits {
                if scores.insert(hit.id.clone(), hit.score).is_some() {
                    let twice = format!("one owner of an id: a search found {} twice", hit.id);
                    history.violations.push(twice);
                }
            }
            let mut ids = history.ids();
            ids.extend(scores.keys().cloned());
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                let mut reading = Reading {
                    id,
                    began,
                    ended,
                    consistency,
                    found: Found::Nothing,
                };
                if let Some(score) = scores.get(&reading.id) {
                    let has_score = |version| query.score(&vector_of(version)) == *score;
                    reading.found = history.version_that(&reading, has_score);
                }
                history.read(&reading);
            }
        });
        true
    }

    /// Reads every id through this coordinator, in each way there is.
    async fn read_all(&mut self) {
        let patience = Duration::from_secs(10);
        let kinds = [
            Consistency::Leader,
            Consistency::Linearizable,
            Consistency::Any,
        ];
        for consistency in kinds {
            let deadline = Instant::now() + patience;
            let vector = self.vector();
            if !self.search_all(vector, consistency, deadline).await {
                self.unanswered(&format!("a search ({consistency:?})"));
            }
        }
        for (number, id) in self
            .world
            .history(|history| history.ids())
            .into_iter()
            .enumerate()
        {
            let consistency = kinds[number % kinds.len()];
            let deadline = Instant::now() + patience;
            if !self.fetch_one(&id, consistency, deadline).await {
                self.unanswered(&format!("a fetch of {id} ({consistency:?})"));
            }
        }
    }

    fn unanswered(&self, what: &str) {
        let coordinator = &self.coordinator;
        self.world.violation(format!(
            "the placement converges: with all faults over, {coordinator} does not answer {what}"
        ));
    }

    /// Has nodes emptied, or used again.
    async fn drain(&mut self) {
        for (node, is_wanted) in self.world.drains_to_ask_for(&self.coordinator) {
            let deadline = Instant::now() + Duration::from_secs(5);
            let outcome = self.root.drain(node, is_wanted, deadline).await;
            self.note(&format!("drain {node} ({is_wanted}): {}", shown(&outcome)));
        }
    }

    fn consistency(&mut self) -> Consistency {
        if happens(&mut self.random, 0.2) {
            return Consistency::Any;
        }
        if happens(&mut self.random, 0.5) {
            return Consistency::Linearizable;
        }
        Consistency::Leader
    }

    fn note(&self, what: &str) {
        let text = format!("{} at {}: {what}", self.name, self.coordinator);
        self.world.trace.note(now(), &text);
    }
}

fn shown<T: std::fmt::Debug, E: std::fmt::Display>(outcome: &Result<T, E>) -> String {
    match outcome {
        Ok(done) => format!("{done:?}"),
        Err(error) => format!("failed: {error}"),
    }
}
