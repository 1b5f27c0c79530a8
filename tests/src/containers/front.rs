//! A load balancer: sends each request to a coordinator that says it is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::http::{Answer, Api};
use crate::wait::eventually;

/// Between two questions whether a coordinator is ready.
const PROBE: Duration = Duration::from_millis(100);
/// One that does not say so within this time is not.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks whether the coordinator that has a request is still ready.
const LOOK: Duration = Duration::from_millis(20);

/// Spreads requests over the coordinators. Clones share what is known of them.
#[derive(Debug, Clone)]
pub struct Front {
    backends: Arc<[Backend]>,
    turn: Arc<AtomicUsize>,
    /// Requests that have no answer yet, those included that nobody waits for any more.
    under_way: Arc<AtomicUsize>,
    _probes: Arc<Probes>,
}

/// Ends the questions when the last balancer is dropped.
#[derive(Debug)]
struct Probes(Arc<AtomicBool>);

#[derive(Debug)]
struct Backend {
    api: Api,
    probe: Api,
    is_ready: AtomicBool,
}

/// What came of sending a request once.
#[derive(Debug)]
pub enum Sent {
    /// It was answered, whatever the status.
    Answered(Answer),
    /// The connection failed, or the coordinator was not ready any more and had not answered: why.
    Lost(String),
    /// No coordinator was ready.
    NobodyThere,
}

impl Front {
    /// A balancer in front of these coordinators. It asks each all the time whether it is ready.
    pub fn new(urls: &[String]) -> Self {
        let backend = |url: &String| Backend {
            api: Api::new(url),
            probe: Api::new(url).within(PROBE_PATIENCE),
            is_ready: AtomicBool::new(false),
        };
        let backends: Arc<[Backend]> = urls.iter().map(backend).collect();
        let ends = Arc::new(AtomicBool::new(false));
        for place in 0..backends.len() {
            let (backends, ends) = (Arc::clone(&backends), Arc::clone(&ends));
            thread::spawn(move || {
                while !ends.load(Ordering::SeqCst) {
                    backends[place].ask();
                    thread::sleep(PROBE);
                }
            });
        }
        Self {
            backends,
            turn: Arc::default(),
            under_way: Arc::default(),
            _probes: Arc::new(Probes(ends)),
        }
    }

    /// Waits until every coordinator is ready.
    #[track_caller]
    pub fn wait_for_all(&self) {
        eventually("every coordinator is ready", || {
            let mut backends = self.backends.iter();
            match backends.find(|backend| !backend.is_ready.load(Ordering::SeqCst)) {
                None => Ok(()),
                Some(backend) => Err(format!("{} is not", backend.api.base())),
            }
        });
    }

    /// Sends a request to one of the coordinators that are ready, each in its turn. With `gives_up` it is
    /// waited for only as long as that one is ready.
    pub fn send(
        &self,
        gives_up: bool,
        request: impl FnOnce(&Api) -> Result<Answer, String> + Send + 'static,
    ) -> Sent {
        let Some(backend) = self.next() else {
            return Sent::NobodyThere;
        };
        let (answer, answered) = channel();
        let api = self.backends[backend].api.clone();
        let under_way = Arc::clone(&self.under_way);
        under_way.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            // Whoever sent it may wait no more.
            let _ = answer.send(request(&api));
            under_way.fetch_sub(1, Ordering::SeqCst);
        });
        loop {
            match answered.recv_timeout(LOOK) {
                Ok(Ok(answer)) => return Sent::Answered(answer),
                Ok(Err(reason)) => return Sent::Lost(reason),
                Err(RecvTimeoutError::Disconnected) => {
                    return Sent::Lost("the request panicked".to_owned());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let backend = &self.backends[backend];
                    if gives_up && !backend.is_ready.load(Ordering::SeqCst) {
                        let reason = format!("{} is not ready any more", backend.api.base());
                        return Sent::Lost(reason);
                    }
                }
            }
        }
    }

    /// A client of a coordinator that is ready.
    pub fn api(&self) -> Option<Api> {
        self.next()
            .map(|backend| self.backends[backend].api.clone())
    }

    /// Requests that have no answer yet, those included that nobody waits for any more.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    fn next(&self) -> Option<usize> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.backends.len();
        let is_ready = |backend: &usize| self.backends[*backend].is_ready.load(Ordering::SeqCst);
        (0..count).map(|step| (first + step) % count).find(is_ready)
    }
}

impl Backend {
    fn ask(&self) {
        let answer = self.probe.try_get("/ready");
        let is_ready = answer.is_ok_and(|answer| answer.status == 200);
        self.is_ready.store(is_ready, Ordering::SeqCst);
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
