//! What clients did and saw, on one clock.
//!
//! Each id belongs to one client, which writes it and waits for the outcome before it writes it again. An
//! operation without an outcome is the last one of its id: it happens at any moment since it was sent, or
//! never. So what a read of an id may find is plain: what the last operation left that was acknowledged
//! before the read began, or that an earlier read has seen; or what one left that came later.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use vectra_server::root::Consistency;

use crate::invariants;

/// How old a state a read may show that any replica may answer.
const STALENESS: Duration = Duration::from_secs(5);

/// Names what was stored: each vector is written once.
pub(crate) type Version = u64;

/// Values of a vector.
pub(crate) const DIMENSION: usize = 4;

/// All that happened to all ids.
#[derive(Default)]
pub(crate) struct History {
    registers: BTreeMap<String, Register>,
    versions: HashMap<Vec<u32>, Version>,
    /// Counts the clients, and the versions.
    clients: u64,
    last_version: Version,
    pub(crate) figures: Figures,
    pub(crate) violations: Vec<String>,
    violated: Vec<String>,
}

/// How much was done, so that nobody takes an idle run for a good one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) acknowledged: u64,
    pub(crate) without_outcome: u64,
    pub(crate) readings: u64,
    pub(crate) refused_reads: u64,
}

/// What happened to one id.
#[derive(Default)]
pub(crate) struct Register {
    pub(crate) operations: Vec<Operation>,
    /// Readings that have ended, of which each needs a later operation than all before: when, and the first
    /// that explains them. A search reads all ids, so there are hundreds of thousands of the others.
    seen: Vec<(Duration, usize)>,
}

/// A write or a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What it leaves.
    pub(crate) leaves: Option<Version>,
    pub(crate) sent: Duration,
    pub(crate) acknowledged: Option<Duration>,
}

/// What a read saw of one id.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) id: String,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) consistency: Consistency,
    pub(crate) found: Found,
}

/// What was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Version(Version),
    /// A vector that nobody wrote.
    Unknown,
}

impl History {
    /// A number for a client, under which its ids are its own.
    pub(crate) fn new_client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// A vector that was never written before.
    pub(crate) fn new_version(&mut self) -> Version {
        self.last_version += 1;
        let bits = vector_of(self.last_version).map(f32::to_bits);
        self.versions.insert(bits.to_vec(), self.last_version);
        self.last_version
    }

    /// Which version a vector is.
    pub(crate) fn version_of(&self, vector: &[f32]) -> Found {
        let bits: Vec<u32> = vector.iter().map(|value| value.to_bits()).collect();
        let known = self.versions.get(&bits).copied();
        known.map_or(Found::Unknown, Found::Version)
    }

    /// Which version of an id it is of which this is true: in rare cases several have the same score, and
    /// then one that the reading may find.
    pub(crate) fn version_that(
        &self,
        reading: &Reading,
        is_true: impl Fn(Version) -> bool,
    ) -> Found {
        let Some(register) = self.registers.get(&reading.id) else {
            return Found::Unknown;
        };
        let permitted = register.permitted(reading).into_iter().flatten();
        let written = register
            .operations
            .iter()
            .filter_map(|operation| operation.leaves);
        let mut candidates = permitted.chain(written);
        let found = candidates.find(|version| is_true(*version));
        found.map_or(Found::Unknown, Found::Version)
    }

    /// All ids that anything happened to.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.registers.keys().cloned().collect()
    }

    /// Those of which something was read that may not be.
    pub(crate) fn violated_ids(&self) -> Vec<String> {
        self.violated.clone()
    }

    /// An operation is sent. Returns its number among those of the id.
    pub(crate) fn sent(&mut self, id: &str, leaves: Option<Version>, at: Duration) -> usize {
        let register = self.registers.entry(id.to_owned()).or_default();
        register.operations.push(Operation {
            leaves,
            sent: at,
            acknowledged: None,
        });
        register.operations.len() - 1
    }

    pub(crate) fn acknowledged(&mut self, id: &str, operation: usize, at: Duration) {
        if let Some(register) = self.registers.get_mut(id) {
            register.operations[operation].acknowledged = Some(at);
            self.figures.acknowledged += 1;
        }
    }

    /// Notes what was read, and checks it.
    pub(crate) fn read(&mut self, reading: &Reading) {
        self.figures.readings += 1;
        let nothing = Register::default();
        let register = self.registers.get(&reading.id).unwrap_or(&nothing);
        if let Some(violation) = invariants::of_reading(register, reading) {
            self.violations.push(violation);
            self.violated.push(reading.id.clone());
        }
        if let Some(register) = self.registers.get_mut(&reading.id)
            && let Some(explained_by) = register.first_explanation(reading)
            && register
                .seen
                .last()
                .is_none_or(|(_, latest)| *latest < explained_by)
        {
            register.seen.push((reading.ended, explained_by));
        }
    }
}

impl Register {
    /// The last operation that certainly happened before the reading's moment; `None` for none.
    pub(crate) fn settled_before(&self, reading: &Reading) -> Option<usize> {
        let as_of = match reading.consistency {
            Consistency::Leader | Consistency::Linearizable => reading.began,
            Consistency::Any => reading.began.saturating_sub(STALENESS),
        };
        let acknowledged = self.operations.iter().rposition(|operation| {
            let acknowledged = operation.acknowledged;
            acknowledged.is_some_and(|at| at < as_of)
        });
        let before = self.seen.partition_point(|(at, _)| *at < as_of);
        let seen = before.checked_sub(1).map(|last| self.seen[last].1);
        acknowledged.max(seen)
    }

    /// What the reading may find.
    pub(crate) fn permitted(&self, reading: &Reading) -> Vec<Option<Version>> {
        let settled = self.settled_before(reading);
        let before = match settled {
            None => Some(None),
            Some(_) => None,
        };
        let from = settled.unwrap_or(0);
        let sent = self.operations[from.min(self.operations.len())..].iter();
        let sent = sent.filter(|operation| operation.sent <= reading.ended);
        before
            .into_iter()
            .chain(sent.map(|operation| operation.leaves))
            .collect()
    }

    /// The first operation that explains what was found, if one is needed to.
    fn first_explanation(&self, reading: &Reading) -> Option<usize> {
        let found = match reading.found {
            Found::Nothing => None,
            Found::Version(version) => Some(version),
            Found::Unknown => return None,
        };
        let settled = self.settled_before(reading);
        if settled.is_none() && found.is_none() {
            return None;
        }
        let from = settled.unwrap_or(0);
        let later = self.operations.iter().enumerate().skip(from);
        later
            .filter(|(_, operation)| operation.leaves == found)
            .map(|(number, _)| number)
            .next()
    }
}

/// The vector that is stored as a version: a direction like no other.
pub(crate) fn vector_of(version: Version) -> [f32; DIMENSION] {
    use rand::Rng;
    let mut random = crate::chance::source(version, "vector");
    std::array::from_fn(|_| {
        let value: f32 = random.random_range(0.1..1.0);
        if random.random_bool(0.5) {
            value
        } else {
            -value
        }
    })
}
