//! Clients that search and write all the time, through the balancer.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;

use super::front::{Front, Sent};
use super::record::Record;
use crate::http::{Answer, SearchAnswer};
use crate::model::Model;
use crate::until::Until;
use crate::vectors::random_vectors;

/// Values per vector.
pub const DIMENSION: usize = 16;
/// Neighbours that a search asks for.
const K: usize = 5;
/// Ids that a writer writes, over and over.
const IDS: usize = 120;
/// Ids in one request, at the most.
const BATCH: usize = 12;
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a request is repeated.
const AGAIN: Duration = Duration::from_millis(50);
/// A client that has no answer for so long has none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What clients do about a coordinator that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// As a balancer does: a request that a coordinator took with it is sent to another one. What a
    /// coordinator answers is what the client gets.
    SentElsewhere,
    /// Each request is sent once.
    SentOnce,
}

/// Searches until told to stop.
pub fn search_until(
    end: &Until,
    front: &Front,
    manners: Manners,
    mut random: StdRng,
    record: &Mutex<Record>,
) {
    while !end.is_now() {
        let query = random_vectors(&mut random, 1, DIMENSION).remove(0);
        let began = Instant::now();
        let result = loop {
            let search = json!({"vector": query, "k": K});
            let gives_up = manners == Manners::SentElsewhere;
            let sent = front.send(gives_up, move |api| api.try_post("/search", &search));
            match (sent, manners) {
                (Sent::Answered(answer), _) => break checked(&answer),
                (Sent::Lost(_) | Sent::NobodyThere, Manners::SentElsewhere)
                    if began.elapsed() < PATIENCE => {}
                (Sent::Lost(reason), _) => break Err(reason),
                (Sent::NobodyThere, _) => break Err("no coordinator was ready".to_owned()),
            }
            thread::sleep(AGAIN);
        };
        let took = began.elapsed();
        {
            let mut record = record.lock().unwrap();
            match result {
                Ok(()) => record.searches.push(took),
                Err(reason) => record.failed_searches.push(reason),
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Whether it found as many neighbours as it should, and proved it.
fn checked(answer: &Answer) -> Result<(), String> {
    if answer.status != 200 {
        return Err(answer.describe());
    }
    let found = SearchAnswer::of(&answer.json());
    if found.certified && found.hits.len() == K {
        Ok(())
    } else {
        Err(answer.describe())
    }
}

/// Writes to ids of its own, `name/…`. What is not acknowledged is repeated, as the contract allows.
#[derive(Debug)]
pub struct Writer<'a> {
    /// To whom.
    pub front: &'a Front,
    /// How.
    pub manners: Manners,
    /// Who.
    pub name: String,
    /// What was acknowledged, and what may have happened.
    pub model: &'a Mutex<Model>,
    /// What it met with.
    pub record: &'a Mutex<Record>,
}

/// One request to write.
struct Write {
    ids: Vec<String>,
    /// `None` deletes.
    vectors: Option<Vec<Vec<f32>>>,
}

impl Writer<'_> {
    /// Writes until told to stop.
    pub fn write_until(&self, end: &Until, mut random: StdRng) {
        while !end.is_now() {
            let count = random.random_range(1..=BATCH);
            let ids = (0..count).map(|_| format!("{}/{}", self.name, random.random_range(0..IDS)));
            let ids = ids.collect();
            let deletes = random.random_bool(0.2);
            let vectors = (!deletes).then(|| random_vectors(&mut random, count, DIMENSION));
            let write = Write { ids, vectors };
            let began = Instant::now();
            while let Err(reason) = self.attempt(&write) {
                self.record.lock().unwrap().failed_writes.push(reason);
                if began.elapsed() > PATIENCE {
                    break;
                }
                thread::sleep(AGAIN);
            }
            self.record.lock().unwrap().writes.push(began.elapsed());
            thread::sleep(PAUSE);
        }
    }

    fn attempt(&self, write: &Write) -> Result<(), String> {
        let (path, body, expected) = match &write.vectors {
            None => ("/delete", json!({"ids": write.ids}), 200),
            Some(vectors) => {
                let body = json!({"ids": write.ids, "vectors": vectors});
                ("/ingest", body, 201)
            }
        };
        let gives_up = self.manners == Manners::SentElsewhere;
        let sent = self
            .front
            .send(gives_up, move |api| api.try_post(path, &body));
        let result = match sent {
            Sent::Answered(answer) if answer.status == expected => Ok(()),
            Sent::Answered(answer) => Err(answer.describe()),
            Sent::Lost(reason) => Err(reason),
            Sent::NobodyThere => Err("no coordinator was ready".to_owned()),
        };
        let mut model = self.model.lock().unwrap();
        match (&result, &write.vectors) {
            (Ok(()), None) => model.deleted(&write.ids),
            (Ok(()), Some(vectors)) => model.ingested(&write.ids, vectors),
            (Err(_), None) => model.perhaps_deleted(&write.ids),
            (Err(_), Some(vectors)) => model.perhaps_ingested(&write.ids, vectors),
        }
        result
    }
}
