//! Clients that use registers through several coordinators, and note what they are told.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::operation::{Operation, Sight, Value, What};
use super::register::{Board, Clock, Register};
use crate::http::{Api, Outcome, SearchAnswer};
use crate::until::Until;
use crate::wait::eventually;

/// After a request that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// Hits wanted by the searches that list every register.
const ALL: usize = 10_000;

/// One client, that does one thing after the other.
#[derive(Debug)]
pub struct Client<'a> {
    /// What it is called.
    pub name: String,
    /// The coordinators that it asks.
    pub apis: &'a [Api],
    /// The one that it asks mostly, so that not all clients wait for one that is out of reach.
    pub favourite: usize,
    /// Its registers, shared with other clients.
    pub board: &'a Board,
    /// Shared with them as well.
    pub clock: &'a Clock,
    /// What it does follows from this.
    pub random: StdRng,
}

impl Client<'_> {
    /// Goes on until told to stop.
    pub fn run_until(mut self, end: &Until) {
        while !end.is_now() {
            let place = self.random.random_range(0..self.board.places());
            let asked = match self.random.random_range(0..4 * self.apis.len()) {
                asked if asked < self.apis.len() => asked,
                _ => self.favourite,
            };
            let register = self.board.register(place);
            let is_answered = match self.random.random_range(0..100) {
                0..28 => self.write(&register, asked),
                28..38 => self.delete(&register, asked),
                38..72 => self.fetch(&register, asked),
                _ => self.search(&register, asked),
            };
            if !is_answered {
                thread::sleep(PAUSE);
            }
        }
    }

    fn label(&self, asked: usize) -> String {
        format!("{} by coordinator-{}", self.name, asked + 1)
    }

    fn write(&self, register: &Register, asked: usize) -> bool {
        let (value, vector) = register.next_value();
        let began = self.clock.now();
        let outcome = self.apis[asked].try_ingest(std::slice::from_ref(&register.id), &[vector]);
        let ended = self.clock.now();
        let is_answered = matches!(outcome, Outcome::Acknowledged(_));
        register.note(Operation {
            client: self.label(asked),
            began,
            ended: is_answered.then_some(ended),
            what: What::Write(value),
        });
        is_answered
    }

    fn delete(&self, register: &Register, asked: usize) -> bool {
        let began = self.clock.now();
        let outcome = self.apis[asked].try_delete(std::slice::from_ref(&register.id));
        let ended = self.clock.now();
        let existed = match outcome {
            Outcome::Acknowledged(count) => Some(count == 1),
            Outcome::Unknown(_) => None,
        };
        register.note(Operation {
            client: self.label(asked),
            began,
            ended: existed.map(|_| ended),
            what: What::Delete { existed },
        });
        existed.is_some()
    }

    fn fetch(&self, register: &Register, asked: usize) -> bool {
        let began = self.clock.now();
        let Ok(found) = self.apis[asked].try_fetch(&register.id) else {
            return false;
        };
        let ended = self.clock.now();
        register.note(Operation {
            client: self.label(asked),
            began,
            ended: Some(ended),
            what: What::See(register.sight_of(found.as_deref())),
        });
        true
    }

    fn search(&mut self, register: &Arc<Register>, asked: usize) -> bool {
        let k = [1, 3, ALL][self.random.random_range(0..3)];
        let Some((value, query)) = register.any_value(&mut self.random) else {
            return true;
        };
        let began = self.clock.now();
        let Ok(answer) = self.apis[asked].try_search(&query, k) else {
            return false;
        };
        let ended = self.clock.now();
        let wanted = Wanted {
            register,
            value,
            query: &query,
            k,
        };
        for (register, sight) in wanted.revealed(&answer, self.board) {
            register.note(Operation {
                client: self.label(asked),
                began,
                ended: Some(ended),
                what: What::See(sight),
            });
        }
        true
    }
}

/// A search for a vector that was written under some id.
struct Wanted<'a> {
    register: &'a Arc<Register>,
    value: Value,
    query: &'a [f32],
    k: usize,
}

impl Wanted<'_> {
    /// What its answer reveals of each register.
    ///
    /// A score tells which of the vectors of an id was found. Where there are fewer hits than wanted,
    /// what is not among them is not there. And what points the very way of the query comes first: if
    /// its id does not come, it holds another vector, or none.
    fn revealed(&self, answer: &SearchAnswer, board: &Board) -> Vec<(Arc<Register>, Sight)> {
        assert!(answer.certified, "an exact search answers certified");
        let scores: HashMap<&str, f32> = answer
            .hits
            .iter()
            .map(|hit| (hit.id.as_str(), hit.score))
            .collect();
        let lists_all = answer.hits.len() < self.k;
        let revealed = |register: Arc<Register>| {
            let sight = match scores.get(register.id.as_str()) {
                Some(score) => register.sight_by_score(self.query, *score),
                None if lists_all => Sight::Nothing,
                None if register.id == self.register.id => Sight::Not(self.value),
                None => return None,
            };
            Some((register, sight))
        };
        board.all().into_iter().filter_map(revealed).collect()
    }
}

/// Fetches every register from every coordinator, waiting until each answers.
pub fn read_everything(apis: &[Api], board: &Board, clock: &Clock) {
    for (place, api) in apis.iter().enumerate() {
        for register in board.all() {
            let (began, found) = eventually("a register can be read", || {
                let began = clock.now();
                api.try_fetch(&register.id).map(|found| (began, found))
            });
            register.note(Operation {
                client: format!("the last read by coordinator-{}", place + 1),
                began,
                ended: Some(clock.now()),
                what: What::See(register.sight_of(found.as_deref())),
            });
        }
    }
}
