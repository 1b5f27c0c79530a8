//! Clients that write and search all the time, and remember what they were told.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use crate::http::{Api, Outcome};
use crate::model::Model;
use crate::until::Until;
use crate::vectors::random_vectors;

/// What came of all the requests.
#[derive(Debug, Default)]
pub struct Toll {
    /// What was written.
    pub model: Model,
    /// How long each search took that found neighbours.
    pub searches: Vec<Duration>,
    /// Searches that failed, and why.
    pub failed_searches: Vec<String>,
    /// Writes that failed, and why.
    pub failed_writes: Vec<String>,
}

/// How hard a client writes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Ids in one request, at the most.
    pub ids: usize,
    /// Between two requests.
    pub pause: Duration,
}

impl Pace {
    /// As hard as it can.
    pub const HARD: Self = Self {
        ids: 30,
        pause: Duration::ZERO,
    };
    /// So little that it hardly adds to what is there.
    pub const GENTLE: Self = Self {
        ids: 4,
        pause: Duration::from_millis(100),
    };
}

/// Writes to ids of its own, `name/…`, until told to stop.
pub fn write_until(end: &Until, api: &Api, name: &str, random: StdRng, toll: &Mutex<Toll>) {
    write_paced_until(end, api, name, random, toll, Pace::HARD);
}

/// The same at a pace.
pub fn write_paced_until(
    end: &Until,
    api: &Api,
    name: &str,
    mut random: StdRng,
    toll: &Mutex<Toll>,
    pace: Pace,
) {
    const IDS: usize = 400;
    let dimension = dimension_of(api);
    while !end.is_now() {
        thread::sleep(pace.pause);
        let count = random.random_range(1..pace.ids);
        let ids: Vec<String> = (0..count)
            .map(|_| format!("{name}/{}", random.random_range(0..IDS)))
            .collect();
        let deletes = random.random_bool(0.2);
        let vectors = random_vectors(&mut random, count, dimension);
        let outcome = if deletes {
            api.try_delete(&ids)
        } else {
            api.try_ingest(&ids, &vectors)
        };
        let mut toll = toll.lock().unwrap();
        match (outcome, deletes) {
            (Outcome::Acknowledged(_), true) => toll.model.deleted(&ids),
            (Outcome::Acknowledged(_), false) => toll.model.ingested(&ids, &vectors),
            (Outcome::Unknown(reason), _) => {
                toll.failed_writes.push(reason);
                if deletes {
                    toll.model.perhaps_deleted(&ids);
                } else {
                    toll.model.perhaps_ingested(&ids, &vectors);
                }
            }
        }
    }
}

/// Searches for random vectors until told to stop.
pub fn search_until(end: &Until, api: &Api, mut random: StdRng, toll: &Mutex<Toll>) {
    let dimension = dimension_of(api);
    while !end.is_now() {
        let query = random_vectors(&mut random, 1, dimension).remove(0);
        let asked = Instant::now();
        let answer = api.try_search(&query, 5);
        let took = asked.elapsed();
        let mut toll = toll.lock().unwrap();
        match answer {
            Ok(answer) if answer.certified && answer.hits.len() == 5 => toll.searches.push(took),
            Ok(answer) => toll.failed_searches.push(format!("{answer:?}")),
            Err(reason) => toll.failed_searches.push(reason),
        }
    }
}

/// Values per vector of the collection that is there.
fn dimension_of(api: &Api) -> usize {
    let cluster = api.try_cluster().expect("the cluster");
    let dimension = cluster["collections"][0]["dimension"].as_u64();
    dimension.expect("a collection with a dimension") as usize
}
