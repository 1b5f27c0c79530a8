//! A run of the load generator, from its plan to its report.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::connection::Target;
use super::recall::judge;
use super::report::LoadReport;
use super::worker::{Course, Tally, drive};
use crate::files::{Neighbours, VectorBatch};
use crate::{Client, ClientError, Consistency, Precision, search_body};

/// What to run.
#[derive(Debug, Clone)]
pub struct Load {
    /// Address of the server.
    pub url: String,
    /// Key to authorise with.
    pub api_key: Option<String>,
    /// The queries; every connection cycles through all of them, each from another one on.
    pub queries: VectorBatch,
    /// Their true neighbours, to report recall.
    pub truth: Option<Neighbours>,
    /// Neighbours to ask for.
    pub k: usize,
    /// Precision to ask for; `None` leaves it to the server.
    pub precision: Option<Precision>,
    /// Which replicas may answer; `None` leaves it to the server.
    pub consistency: Option<Consistency>,
    /// Connections, each with one search under way.
    pub connections: usize,
    /// Searches a second over all connections, more than none; `None` sends each as soon as the last one of its
    /// connection is answered. One that is due while its connection still waits counts from when it was due.
    pub rate: Option<f64>,
    /// Time before the clock starts.
    pub warm_up: Duration,
    /// Time that is measured.
    pub measured: Duration,
}

impl Load {
    /// Runs the load. With a truth, queries that the measured time did not reach are asked once
    /// after it, so that recall is over all of them.
    ///
    /// # Errors
    /// [`ClientError::Argument`] if truth and queries do not fit; whatever a first search fails
    /// with, unless it may pass; a thread that cannot be started. Failures under load are no
    /// error but counted in the report.
    pub async fn run(self) -> Result<LoadReport, ClientError> {
        self.check()?;
        self.try_one_search().await?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // A thread and runtime of its own, so that no request ever changes thread.
        std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                // Without a receiver nobody waits for the outcome.
                let _ = sender.send(self.run_on_this_thread());
            })
            .map_err(|error| cannot_start(&error))?;
        receiver
            .await
            .map_err(|_| ClientError::Argument("the load generator's thread broke".to_owned()))?
    }

    fn check(&self) -> Result<(), ClientError> {
        let refused = |reason: String| Err(ClientError::Argument(reason));
        let queries = self.queries.rows();
        if queries == 0 {
            return refused("there are no queries".to_owned());
        }
        let Some(truth) = &self.truth else {
            return Ok(());
        };
        if truth.rows() != queries {
            return refused(format!(
                "the truth is about {} queries, there are {queries}",
                truth.rows()
            ));
        }
        if truth.columns() < self.k {
            return refused(format!(
                "the truth knows {} neighbours a query, recall@{} needs {}",
                truth.columns(),
                self.k,
                self.k
            ));
        }
        Ok(())
    }

    /// How far apart the searches of one connection are due, if they are.
    fn apart(&self) -> Result<Option<Duration>, ClientError> {
        let Some(rate) = self.rate else {
            return Ok(None);
        };
        let seconds = self.connections.max(1) as f64 / rate;
        match Duration::try_from_secs_f64(seconds) {
            Ok(apart) if !apart.is_zero() => Ok(Some(apart)),
            _ => Err(ClientError::Argument(format!(
                "{rate} searches a second cannot be sent"
            ))),
        }
    }

    /// A wrong address, key or dimension is better told at once than counted for ten seconds.
    async fn try_one_search(&self) -> Result<(), ClientError> {
        let mut client = Client::new(&self.url)?;
        if let Some(key) = &self.api_key {
            client = client.with_api_key(key)?;
        }
        let Some(first) = self.queries.vectors.chunks(self.queries.dimension).next() else {
            return Ok(());
        };
        match client
            .search(first, self.k, self.precision, self.consistency)
            .await
        {
            Err(ClientError::Problem {
                status: 429 | 502..=504,
                ..
            })
            | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn run_on_this_thread(self) -> Result<LoadReport, ClientError> {
        let target = Arc::new(Target::new(&self.url, self.api_key.as_deref())?);
        let requests = self
            .queries
            .vectors
            .chunks_exact(self.queries.dimension)
            .map(|query| {
                let body = search_body(query, self.k, self.precision, self.consistency)?;
                Ok(target.request(&body))
            })
            .collect::<Result<Vec<_>, ClientError>>()?;
        let queries = requests.len();
        let apart = self.apart()?;
        let begin = Instant::now();
        let measure_from = begin + self.warm_up;
        let course = Arc::new(Course {
            target,
            requests,
            begin,
            apart,
            answers: (0..queries).map(|_| OnceLock::new()).collect(),
            measure_from,
            measure_to: measure_from + self.measured,
            complete: self.truth.is_some(),
            completed: AtomicUsize::new(0),
        });

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot_start(&error))?;
        let tally = runtime.block_on(drive_all(&course, self.connections.max(1)))?;

        let answers: Vec<Vec<u8>> = course
            .answers
            .iter()
            .map(|kept| kept.get().cloned().unwrap_or_default())
            .collect();
        let quality = judge(&answers, self.k, self.truth.as_ref());
        let latencies = &tally.latencies;
        let seconds = self.measured.as_secs_f64();
        let millis = |micros: u64| micros as f64 / 1000.0;
        Ok(LoadReport {
            qps: latencies.len() as f64 / seconds.max(1e-9),
            p50_ms: millis(latencies.value_at_quantile(0.5)),
            p90_ms: millis(latencies.value_at_quantile(0.9)),
            p99_ms: millis(latencies.value_at_quantile(0.99)),
            max_ms: millis(latencies.max()),
            errors: tally.errors.values().sum(),
            errors_by_kind: tally.errors,
            recall: quality.recall,
            certified: quality.certified,
            answered: latencies.len(),
            queries: quality.queries,
            seconds,
            connections: self.connections.max(1),
            k: self.k,
        })
    }
}

/// Runs all connections to their end and adds up what they found.
async fn drive_all(course: &Arc<Course>, connections: usize) -> Result<Tally, ClientError> {
    let queries = course.requests.len();
    let mut running = JoinSet::new();
    for connection in 0..connections {
        let (course, tally) = (course.clone(), empty_tally()?);
        let first_query = connection * queries / connections;
        let first_due = course
            .apart
            .unwrap_or_default()
            .mul_f64(connection as f64 / connections as f64);
        running.spawn(async move { drive(&course, first_query, first_due, tally).await });
    }
    let mut all = empty_tally()?;
    while let Some(ended) = running.join_next().await {
        let tally = ended.map_err(|panic| {
            ClientError::Argument(format!("a connection's task broke: {panic}"))
        })?;
        all.latencies
            .add(&tally.latencies)
            .map_err(|error| ClientError::Argument(format!("latencies do not add up: {error}")))?;
        for (kind, count) in tally.errors {
            *all.errors.entry(kind).or_default() += count;
        }
    }
    Ok(all)
}

/// From a microsecond to two minutes, to three digits.
fn empty_tally() -> Result<Tally, ClientError> {
    let latencies = Histogram::new_with_bounds(1, 120_000_000, 3)
        .map_err(|error| ClientError::Argument(format!("no histogram: {error}")))?;
    Ok(Tally {
        latencies,
        errors: BTreeMap::new(),
    })
}

fn cannot_start(error: &std::io::Error) -> ClientError {
    ClientError::Argument(format!("the load generator cannot start: {error}"))
}

#[cfg(test)]
#[path = "load_test.rs"]
mod tests;
