//! The threads that scan: one per core, apart from the async runtime, so that HTTP stays
//! responsive while they saturate the cores.
//!
//! They work in turns. A turn takes every search that waits, without waiting for more, and visits
//! each part of each segment once for all of them, so that codes are read from memory once a turn
//! and not once a search. An idle node scans at once; a busy one batches by itself.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use vectra_kernel::{Rider, scan_top_many};

use super::LeafError;
use super::search_job::{Aboard, SearchJob};
use crate::root::Hit;

/// Searches aboard one turn at the most: bounds how long a lone query waits behind a flood.
const ABOARD: usize = 64;

/// Searches that may wait for a turn. Beyond it a node sheds load rather than queue.
const WAITING: usize = 4_096;

/// One stretch of codes, and who wants it scanned: each search with its own number for the part.
type Stop = Vec<(Arc<SearchJob>, usize)>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<SearchJob>>,
    stops: VecDeque<Stop>,
    stopping: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

/// A fixed set of scanning threads. Dropping it ends them after what they are at.
pub(super) struct ScanPool {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl ScanPool {
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
        });
        let spawn = |number: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("scan-{number}"))
                .spawn(move || work(&shared))
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Runs one search; dropping the future abandons it.
    pub(super) async fn search(&self, job: SearchJob) -> Result<Vec<Hit>, LeafError> {
        if job.part_count() == 0 {
            return Ok(Vec::new());
        }
        let answer = job.subscribe();
        {
            let mut queue = self.shared.queue.lock();
            if queue.stopping {
                return Err(LeafError::Stopping);
            }
            if queue.waiting.len() >= WAITING {
                return Err(LeafError::Overloaded(queue.waiting.len()));
            }
            queue.waiting.push_back(Arc::new(job));
        }
        self.shared.work.notify_all();
        // The sender goes away without an answer only when the scan panicked.
        answer.await.unwrap_or(Err(LeafError::ScanFailed))
    }
}

impl Drop for ScanPool {
    fn drop(&mut self) {
        self.shared.queue.lock().stopping = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a scanning thread panicked");
            }
        }
    }
}

fn work(shared: &Shared) {
    while let Some(stop) = next_stop(shared) {
        if catch_unwind(AssertUnwindSafe(|| scan(&stop))).is_err() {
            // The panic hook has told where. These searches are answered with an error; the thread
            // goes on with others.
            stop.iter().for_each(|(job, _)| job.abandon());
        }
    }
}

/// Scans one stretch of codes for all who want it.
fn scan(stop: &Stop) {
    let mut aboard: Vec<Aboard<'_>> = stop
        .iter()
        .filter_map(|(job, part)| job.board(*part))
        .collect();
    if let Some(codes) = aboard.first().map(|first| first.part.codes()) {
        let is_live: Vec<_> = aboard
            .iter()
            .map(|Aboard { part, .. }| |row| part.is_live(row))
            .collect();
        let mut riders: Vec<Rider<'_>> = aboard
            .iter_mut()
            .zip(&is_live)
            .map(|(Aboard { folded, top, .. }, is_live)| Rider {
                query: folded,
                is_live,
                top,
            })
            .collect();
        scan_top_many(codes, &mut riders);
    }
    aboard.into_iter().for_each(Aboard::settle);
    stop.iter().for_each(|(job, _)| job.part_done());
}

/// The next stop of the turn under way, or the first of a new turn; `None` when stopping.
fn next_stop(shared: &Shared) -> Option<Stop> {
    let mut queue = shared.queue.lock();
    loop {
        if let Some(stop) = queue.stops.pop_front() {
            return Some(stop);
        }
        if !queue.waiting.is_empty() {
            let aboard = queue.waiting.len().min(ABOARD);
            let jobs: Vec<_> = queue.waiting.drain(..aboard).collect();
            queue.stops = plan_turn(&jobs);
            shared.work.notify_all();
            continue;
        }
        if queue.stopping {
            return None;
        }
        shared.work.wait(&mut queue);
    }
}

/// Groups the parts of all jobs by the codes they stand for. Views taken at different moments
/// share most of their segments, though not their tombstones.
fn plan_turn(jobs: &[Arc<SearchJob>]) -> VecDeque<Stop> {
    let mut stops: VecDeque<Stop> = VecDeque::new();
    let mut stop_of_codes: HashMap<*const f32, usize> = HashMap::new();
    for job in jobs {
        for number in 0..job.part_count() {
            // Where its α lie tells one set of codes from another.
            let codes = job.part(number).codes().alphas().as_ptr();
            let stop = *stop_of_codes.entry(codes).or_insert_with(|| {
                stops.push_back(Stop::new());
                stops.len() - 1
            });
            stops[stop].push((Arc::clone(job), number));
        }
    }
    stops
}
