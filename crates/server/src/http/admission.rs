//! How much may be under way at once: requests, and bytes of their bodies. What is more is refused
//! at once rather than queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use super::problem_kind::ProblemKind;

/// How many bodies of the longest kind may be in memory at once.
const LONGEST_BODIES: u64 = 4;

/// Counts what is under way.
#[derive(Debug)]
pub(super) struct Admission {
    requests: Arc<Semaphore>,
    max_requests: usize,
    body_bytes: Arc<AtomicU64>,
    max_body_bytes: u64,
    parsers: Arc<Semaphore>,
}

/// One admitted request; counts as under way until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    _request: OwnedSemaphorePermit,
}

/// The bytes of one body; they count until it is dropped.
#[derive(Debug)]
pub(super) struct BodyBytes {
    total: Arc<AtomicU64>,
    limit: u64,
    own: u64,
}

impl Admission {
    pub(super) fn new(max_requests: usize, max_body: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Admission {
            requests: Arc::new(Semaphore::new(max_requests)),
            max_requests,
            body_bytes: Arc::default(),
            max_body_bytes: max_body.saturating_mul(LONGEST_BODIES),
            parsers: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Admits one more request.
    pub(super) fn admit(&self) -> Result<Admitted, Problem> {
        match Arc::clone(&self.requests).try_acquire_owned() {
            Ok(permit) => Ok(Admitted { _request: permit }),
            Err(_) => {
                let detail = format!(
                    "{} requests are under way, as many as http.max_in_flight allows; send it \
                     again in a moment",
                    self.max_requests
                );
                let problem = Problem::new(ProblemKind::Overloaded, detail);
                Err(problem.limit(self.max_requests as u64))
            }
        }
    }

    /// Begins to count the bytes of a body.
    pub(super) fn body(&self) -> BodyBytes {
        BodyBytes {
            total: Arc::clone(&self.body_bytes),
            limit: self.max_body_bytes,
            own: 0,
        }
    }

    /// Long bodies are parsed beside the runtime, as many at once as there are cores.
    pub(super) fn parsers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.parsers)
    }
}

impl BodyBytes {
    /// Counts more bytes, unless all bodies together would take too many.
    pub(super) fn add(&mut self, bytes: u64) -> Result<(), Problem> {
        let before = self.total.fetch_add(bytes, Ordering::Relaxed);
        self.own += bytes;
        if before + bytes <= self.limit {
            return Ok(());
        }
        let detail = "the bodies under way take all the memory set aside for them; send it again \
                      in a moment, or in smaller batches";
        Err(Problem::new(ProblemKind::Overloaded, detail).limit(self.limit))
    }
}

impl Drop for BodyBytes {
    fn drop(&mut self) {
        self.total.fetch_sub(self.own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_over_the_limit_are_refused_until_one_ends() {
        let admission = Admission::new(2, 1024);
        let first = admission.admit().unwrap();
        let _second = admission.admit().unwrap();
        assert_eq!(
            admission.admit().unwrap_err().kind(),
            ProblemKind::Overloaded
        );
        drop(first);
        assert!(admission.admit().is_ok());
    }

    #[test]
    fn bytes_of_bodies_are_given_back() {
        let admission = Admission::new(2, 100);
        let mut first = admission.body();
        first.add(300).unwrap();
        let mut second = admission.body();
        second.add(100).unwrap();
        assert_eq!(second.add(1).unwrap_err().kind(), ProblemKind::Overloaded);
        drop((first, second));
        assert!(admission.body().add(400).is_ok());
    }
}
