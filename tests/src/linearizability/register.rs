//! One id: what was written under it, what was done to it, and what was learned of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;

use super::checker;
use super::operation::{Operation, Sight, Value, What};
use crate::oracle::cosine;
use crate::vectors::{random_vector, seeded};

/// Values per vector: enough that two of them never point the same way.
const DIMENSION: usize = 8;
/// An answered score is the float32 next to the true one.
const ROUNDING: f64 = 1e-7;
/// A register is left alone after so many operations without an outcome (the clients may have a few more
/// under way then), for each of them doubles the orders to look at; and after so many operations at all.
const MOST_UNKNOWN: usize = 3;
const MOST_OPERATIONS: usize = 200;

/// An id as a register of one vector.
#[derive(Debug)]
pub struct Register {
    /// The id.
    pub id: String,
    /// Distinguishes its vectors from all others.
    number: u64,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// By [`Value`]; whether they were stored or not.
    vectors: Vec<Vec<f32>>,
    operations: Vec<Operation>,
}

impl Register {
    /// An id that nobody has used yet.
    pub fn new(id: String, number: u64) -> Self {
        let record = Mutex::default();
        Self { id, number, record }
    }

    /// A vector that was never written, to be written under this id.
    pub fn next_value(&self) -> (Value, Vec<f32>) {
        let vectors = &mut self.record.lock().unwrap().vectors;
        let value = vectors.len() as Value;
        let mut random = seeded(self.number << 32 | u64::from(value));
        let vector = random_vector(&mut random, DIMENSION);
        vectors.push(vector.clone());
        (value, vector)
    }

    /// One of the vectors that were written, or are being written.
    pub fn any_value(&self, random: &mut StdRng) -> Option<(Value, Vec<f32>)> {
        let vectors = &self.record.lock().unwrap().vectors;
        // Always drawn, so that a client's next decision does not depend on what others did.
        let place: f64 = random.random();
        // The later ones are more likely to be there.
        let place = (place.sqrt() * vectors.len() as f64) as usize;
        let vector = vectors.get(place)?;
        Some((place as Value, vector.clone()))
    }

    /// Notes an operation.
    pub fn note(&self, operation: Operation) {
        self.record.lock().unwrap().operations.push(operation);
    }

    /// Whether it has been used enough.
    pub fn is_worn(&self) -> bool {
        let operations = &self.record.lock().unwrap().operations;
        let unknown = operations.iter().filter(|one| one.ended.is_none()).count();
        unknown >= MOST_UNKNOWN || operations.len() >= MOST_OPERATIONS
    }

    /// What it reveals that a fetch answered this.
    pub fn sight_of(&self, found: Option<&[f32]>) -> Sight {
        let Some(found) = found else {
            return Sight::Nothing;
        };
        let is_found = |vector: &[f32]| {
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            vector.len() == found.len() && vector.iter().zip(found).all(same)
        };
        self.one_of(is_found)
    }

    /// What it reveals that a search for `query` answered this id with this score.
    pub fn sight_by_score(&self, query: &[f32], score: f32) -> Sight {
        self.one_of(|vector| (cosine(query, vector) - f64::from(score)).abs() <= ROUNDING)
    }

    fn one_of(&self, could_be: impl Fn(&[f32]) -> bool) -> Sight {
        let vectors = &self.record.lock().unwrap().vectors;
        let values = vectors.iter().zip(0..);
        let possible = values.filter(|(vector, _)| could_be(vector));
        Sight::OneOf(possible.map(|(_, value)| value).collect())
    }

    /// How often clients wrote to it and were answered, and how often they saw something of it.
    pub fn acknowledged_and_seen(&self) -> (usize, usize) {
        let operations = &self.record.lock().unwrap().operations;
        let answered = operations.iter().filter(|one| one.ended.is_some());
        let (seen, acknowledged): (Vec<_>, Vec<_>) =
            answered.partition(|one| matches!(one.what, What::See(_)));
        (acknowledged.len(), seen.len())
    }

    /// Checks everything noted so far.
    pub fn check(&self) -> Result<(), String> {
        let operations = self.record.lock().unwrap().operations.clone();
        checker::check(&operations).map_err(|violation| format!("{}: {violation}", self.id))
    }
}

/// Registers in use by several clients.
#[derive(Debug)]
pub struct Board {
    name: String,
    places: Vec<Mutex<Arc<Register>>>,
    all: Mutex<Vec<Arc<Register>>>,
}

impl Board {
    /// So many registers at a time, with ids that begin with this name.
    pub fn new(name: &str, places: usize) -> Self {
        let mut board = Self {
            name: name.to_owned(),
            places: Vec::new(),
            all: Mutex::default(),
        };
        board.places = (0..places).map(|_| Mutex::new(board.fresh())).collect();
        board
    }

    fn fresh(&self) -> Arc<Register> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let mut all = self.all.lock().unwrap();
        let id = format!("{}/{}", self.name, all.len());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let register = Arc::new(Register::new(id, number));
        all.push(Arc::clone(&register));
        register
    }

    /// How many are in use at a time.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The register in use at this place; another one each time that one is worn.
    pub fn register(&self, place: usize) -> Arc<Register> {
        let mut register = self.places[place].lock().unwrap();
        if register.is_worn() {
            *register = self.fresh();
        }
        Arc::clone(&register)
    }

    /// All that were ever in use.
    pub fn all(&self) -> Vec<Arc<Register>> {
        self.all.lock().unwrap().clone()
    }
}

/// A clock that no two operations share a step of: microseconds since its start, or a little more.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    last: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        let start = Instant::now();
        let last = AtomicU64::new(0);
        Self { start, last }
    }
}

impl Clock {
    /// Later than all that was answered before.
    pub fn now(&self) -> u64 {
        let now = self.start.elapsed().as_micros() as u64;
        let step = |last: u64| Some(now.max(last + 1));
        let last = self
            .last
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
        now.max(last.unwrap() + 1)
    }
}
