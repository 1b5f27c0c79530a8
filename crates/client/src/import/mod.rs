//! The import: files in, batches out, several under way, each retried until it is stored.

mod ids;
mod reader;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::files::VectorBatch;
use crate::{Client, ClientError, IngestBody, RetryPolicy};
use reader::Reader;

/// What is to be imported, and how.
///
/// Batches are under way at the same time, so of two equal ids in different batches either may
/// win. Repeating an import is harmless.
#[derive(Debug, Clone)]
pub struct Import {
    /// Files, in the order their rows are numbered.
    pub files: Vec<PathBuf>,
    /// A file of ids, one a line, for the rows of all files.
    pub ids: Option<PathBuf>,
    /// Vectors in a request; `None` for about a million values.
    pub batch_rows: Option<usize>,
    /// Requests under way at the same time.
    pub connections: usize,
    /// How patiently a batch is retried.
    pub retry: RetryPolicy,
}

/// Hears how an import goes on. Called from several tasks at once.
pub trait ImportObserver: Send + Sync {
    /// The files are open and sound as far as their headers tell; the rows of all of them are
    /// known unless one is of a format that does not say.
    fn opened(&self, rows: Option<u64>);
    /// So many more rows are stored, durably.
    fn stored(&self, rows: u64);
    /// A batch failed for now and will be tried again after the pause.
    fn retrying(&self, error: &ClientError, pause: Duration);
}

/// How an import went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportReport {
    /// Vectors stored.
    pub rows: u64,
    /// From the first byte read to the last batch acknowledged.
    pub elapsed: Duration,
    /// Attempts that failed and were repeated.
    pub retries: u64,
}

impl ImportReport {
    /// Vectors stored a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A batch and the file it is from.
struct Work {
    path: Arc<PathBuf>,
    batch: VectorBatch,
}

impl Import {
    /// Runs to the end. Dropping the future stops it; what was acknowledged stays stored.
    ///
    /// # Errors
    /// The first of: a file that cannot be read, ids that do not fit the rows, a batch the server
    /// refused ([`ClientError::Batch`]), or one that failed for longer than the policy allows.
    pub async fn run(
        self,
        client: Client,
        observer: Arc<dyn ImportObserver>,
    ) -> Result<ImportReport, ClientError> {
        let begun = Instant::now();
        let connections = self.connections.max(1);
        let mut reader = Reader::open(&self)?;
        observer.opened(reader.rows());

        let (sender, receiver) = mpsc::channel(connections);
        // A thread of its own: reading blocks, and it ends by itself once nobody takes its batches.
        let reading = tokio::task::spawn_blocking(move || reader.send_all(&sender));
        let receiver = Arc::new(Mutex::new(receiver));
        let rows = Arc::new(AtomicU64::new(0));
        let retries = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let (client, observer, receiver) = (client.clone(), observer.clone(), receiver.clone());
            let (rows, retries, retry) = (rows.clone(), retries.clone(), self.retry);
            senders.spawn(async move {
                loop {
                    let next = receiver.lock().await.recv().await;
                    let Some(work) = next else { return Ok(()) };
                    let on_retry = |error: &ClientError, pause| {
                        retries.fetch_add(1, Ordering::Relaxed);
                        observer.retrying(error, pause);
                    };
                    let stored = store(&client, &retry, work, on_retry).await?;
                    rows.fetch_add(stored, Ordering::Relaxed);
                    observer.stored(stored);
                }
            });
        }
        drop(receiver);

        while let Some(ended) = senders.join_next().await {
            ended.map_err(|panic| ClientError::Argument(format!("a sender broke: {panic}")))??;
        }
        reading
            .await
            .map_err(|panic| ClientError::Argument(format!("the reader broke: {panic}")))??;
        Ok(ImportReport {
            rows: rows.load(Ordering::Relaxed),
            elapsed: begun.elapsed(),
            retries: retries.load(Ordering::Relaxed),
        })
    }
}

/// Stores one batch, trying again as the policy says; returns its rows.
async fn store(
    client: &Client,
    retry: &RetryPolicy,
    work: Work,
    on_retry: impl FnMut(&ClientError, Duration),
) -> Result<u64, ClientError> {
    let Work { path, batch } = work;
    let rows = batch.rows() as u64;
    let first_row = batch.first_row;
    let attempt = async {
        let body = IngestBody::new(&batch.ids, batch.dimension, &batch.vectors)?;
        // The body is all that a retry needs.
        drop(batch);
        retry.run(|| client.ingest_prepared(&body), on_retry).await
    };
    let stored = attempt.await.map_err(|error| {
        let named = named_row(&error)
            .filter(|&index| index < rows)
            .map(|index| first_row + index);
        ClientError::Batch {
            path: path.to_path_buf(),
            first_row: named.unwrap_or(first_row),
            last_row: named.unwrap_or(first_row + rows - 1),
            cause: Box::new(error),
        }
    })?;
    if stored != rows {
        return Err(ClientError::Protocol {
            url: client.url().to_owned(),
            reason: format!("it says that it stored {stored} vectors of {rows}"),
        });
    }
    Ok(rows)
}

/// The vector within the batch that the server found fault with, if it says so.
fn named_row(error: &ClientError) -> Option<u64> {
    match error {
        ClientError::Problem { members, .. } => members.get("index")?.as_u64(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "import_test.rs"]
mod tests;
