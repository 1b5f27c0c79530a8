//! The threads that scan: one per core, apart from the async runtime, so that HTTP stays
//! responsive while they saturate the cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use vectra_kernel::{Rider, scan_top_many};

use super::LeafError;
use super::circle::{Circle, Stop, Work};
use super::search_job::{Aboard, SearchJob};
use crate::root::Hit;

/// Searches that may wait for a thread to take them up. Beyond it a node sheds load rather than queue.
const WAITING: usize = 4_096;

#[derive(Default)]
struct Queue {
    circle: Circle,
    stopping: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

/// Where searches are scanned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanning {
    /// On so many threads of their own, at least one.
    OnThreads(usize),
    /// In the task that searches: one after the other. What a simulation needs.
    InTurn,
}

/// A fixed set of scanning threads. Dropping it ends them once nothing is left to do.
pub(super) struct ScanPool {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl ScanPool {
    pub(super) fn start(scanning: Scanning) -> std::io::Result<Self> {
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
        let threads = match scanning {
            Scanning::OnThreads(threads) => threads.max(1),
            Scanning::InTurn => 0,
        };
        let threads = (0..threads).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Runs one search; dropping the future abandons it.
    pub(super) async fn search(&self, job: SearchJob) -> Result<Vec<Hit>, LeafError> {
        if job.stretch_count() == 0 {
            return Ok(Vec::new());
        }
        let answer = job.subscribe();
        {
            let mut queue = self.shared.queue.lock();
            if queue.stopping {
                return Err(LeafError::Stopping);
            }
            if queue.circle.waiting() >= WAITING {
                return Err(LeafError::Overloaded(queue.circle.waiting()));
            }
            queue.circle.arrive(Arc::new(job));
        }
        self.shared.work.notify_one();
        if self.threads.is_empty() {
            while let Some(work) = self.shared.next_at_once() {
                self.shared.does(work);
            }
        }
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
    while let Some(work) = next(shared) {
        let is_shared = matches!(&work, Work::Scan(stop) if stop.len() > 1);
        shared.does(work);
        if is_shared {
            // Whoever waits for this core goes first, be it another process: what it does leads to further
            // searches, which then share the next stretch. One that is alone does not wait for them.
            thread::yield_now();
        }
    }
}

impl Shared {
    fn next_at_once(&self) -> Option<Work> {
        self.queue.lock().circle.next()
    }

    fn does(&self, work: Work) {
        match work {
            Work::GetReady(job) => {
                if job.is_abandoned() {
                    return;
                }
                if catch_unwind(AssertUnwindSafe(|| job.get_ready())).is_err() {
                    job.abandon();
                    return;
                }
                self.queue.lock().circle.board(&job);
                self.work.notify_all();
            }
            Work::Scan(stop) => {
                if catch_unwind(AssertUnwindSafe(|| scan(&stop))).is_err() {
                    // The panic hook has told where. These searches are answered with an error; the
                    // thread goes on with others.
                    stop.iter().for_each(|(job, _)| job.abandon());
                }
            }
        }
    }
}

/// Scans one stretch of codes for all who want it.
fn scan(stop: &Stop) {
    let mut aboard: Vec<Aboard<'_>> = stop
        .iter()
        .filter_map(|(job, stretch)| job.board(*stretch))
        .collect();
    if let Some((job, stretch)) = stop.first() {
        let (part, rows) = job.stretch(*stretch);
        let is_live: Vec<_> = aboard
            .iter()
            .map(|Aboard { part, .. }| |row| part.is_live(row))
            .collect();
        let mut riders: Vec<Rider<'_>> = aboard
            .iter_mut()
            .zip(&is_live)
            .map(|(aboard, is_live)| Rider {
                query: aboard.folded,
                floor: aboard.floor,
                is_live,
                top: &mut aboard.top,
            })
            .collect();
        scan_top_many(part.codes(), rows, &mut riders);
    }
    aboard.into_iter().for_each(Aboard::settle);
    stop.iter().for_each(|(job, _)| job.stretch_done());
}

/// Waits for something to do; `None` when stopping and nothing is left.
fn next(shared: &Shared) -> Option<Work> {
    let mut queue = shared.queue.lock();
    loop {
        if let Some(work) = queue.circle.next() {
            return Some(work);
        }
        if queue.stopping {
            return None;
        }
        shared.work.wait(&mut queue);
    }
}
