//! One connection's loop.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::connection::{Connection, SharedTarget};

/// A request unanswered for longer counts as an error; the server's own deadline is 30 s.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after an error, so that a refusing server is not the busier for it.
const PAUSE: Duration = Duration::from_millis(20);
/// Attempts for the answer of a query that the measured time did not reach, each after twice the
/// pause of the one before.
const ATTEMPTS: u32 = 6;

/// What all connections share.
pub(super) struct Course {
    pub(super) target: SharedTarget,
    /// One whole request a query.
    pub(super) requests: Vec<Vec<u8>>,
    /// The first answer to each query, kept to be judged after the clock has stopped.
    pub(super) answers: Vec<OnceLock<Vec<u8>>>,
    pub(super) begin: Instant,
    /// How far apart the searches of one connection are due; `None` if each is as soon as it can be sent.
    pub(super) apart: Option<Duration>,
    pub(super) measure_from: Instant,
    pub(super) measure_to: Instant,
    /// Whether every query is to be answered once, however long that takes.
    pub(super) complete: bool,
    /// The next query to look at in completing.
    pub(super) completed: AtomicUsize,
}

/// What one connection found.
pub(super) struct Tally {
    /// Microseconds.
    pub(super) latencies: Histogram<u64>,
    pub(super) errors: BTreeMap<String, u64>,
}

/// Runs a connection through the warm-up, the measured time and what is left to complete. Its first search is due
/// so long after the beginning, if searches are due at all.
pub(super) async fn drive(
    course: &Course,
    first_query: usize,
    first_due: Duration,
    mut tally: Tally,
) -> Tally {
    let mut connection = None;
    let mut query = first_query;
    let mut due = course.begin + first_due;
    loop {
        let begun = match course.apart {
            None => Instant::now(),
            Some(apart) => {
                let begun = begin_at(due.min(course.measure_to)).await;
                due += apart;
                begun
            }
        };
        if Instant::now() >= course.measure_to {
            break;
        }
        match ask(course, &mut connection, query).await {
            Ok(()) => {
                let ended = Instant::now();
                if ended >= course.measure_from && ended <= course.measure_to {
                    let micros = ended.duration_since(begun).as_micros();
                    tally
                        .latencies
                        .saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
                }
            }
            Err(kind) => {
                *tally.errors.entry(kind).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        query = (query + 1) % course.requests.len();
    }
    if course.complete {
        complete(course, &mut connection, &mut tally).await;
    }
    tally
}

/// Waits until a search is due. One that was due before has waited for its connection: it began then.
async fn begin_at(due: Instant) -> Instant {
    if Instant::now() >= due {
        return due;
    }
    tokio::time::sleep_until(due.into()).await;
    // The timer may be late, which is no fault of the server's.
    Instant::now()
}

/// Asks what no connection has had an answer to yet. A server that fails every attempt is not
/// asked for more, so that one that hangs cannot hold up the end for long.
async fn complete(course: &Course, connection: &mut Option<Connection>, tally: &mut Tally) {
    loop {
        let query = course.completed.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = course.answers.get(query) else {
            return;
        };
        let mut attempt = 0;
        while answer.get().is_none() {
            if attempt == ATTEMPTS {
                return;
            }
            if let Err(kind) = ask(course, connection, query).await {
                *tally.errors.entry(kind).or_default() += 1;
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
            attempt += 1;
        }
    }
}

/// One search; an error is told by its kind.
async fn ask(
    course: &Course,
    connection: &mut Option<Connection>,
    query: usize,
) -> Result<(), String> {
    let request = course
        .requests
        .get(query)
        .map(Vec::as_slice)
        .unwrap_or_default();
    // Taken out while in use: a connection that failed, or whose exchange was cut short, is not
    // put back.
    let exchange = async {
        let mut open = match connection.take() {
            Some(open) => open,
            None => course.target.connect().await?,
        };
        let answer = open.exchange(request).await?;
        let (status, closes) = (answer.status, answer.closes);
        if let (200, Some(kept)) = (status, course.answers.get(query))
            && kept.get().is_none()
        {
            // Two connections may come to the same query at once; either answer will do.
            let _ = kept.set(answer.body.bytes().to_vec());
        }
        if !closes {
            *connection = Some(open);
        }
        io::Result::Ok(status)
    };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(Ok(200)) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {status}")),
        Ok(Err(error)) => Err(name(&error)),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}

fn name(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "connection closed before the answer".to_owned(),
        io::ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}
