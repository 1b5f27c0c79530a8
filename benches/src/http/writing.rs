//! Searches while rows are written, sealed and merged, beside searches without.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;
use vectra_client::files::{VectorBatch, VectorFile};
use vectra_client::{Client, RetryPolicy};

use super::Plan;
use crate::figures::WritingFigures;
use crate::server::Server;
use crate::vector_set::VectorSet;

/// Bytes of float32 written in a second: in twenty seconds every shard of a server seals a segment
/// (12 shards, 16 MiB), and the writes themselves take little of the cores.
const BYTES_PER_SECOND: usize = 12_500_000;
/// So much longer than other runs, for that.
const LONGER: u32 = 2;
const REQUESTS_PER_SECOND: usize = 10;

/// Runs without writes and with them in turns, for many connections and for one. The writes put
/// rows under their own ids again, so that the truth stays true and the set does not grow; what
/// they replace is left for compaction.
pub(super) async fn measure(
    server: &Server,
    set: &VectorSet,
    plan: &Plan,
) -> Result<Vec<WritingFigures>> {
    let rows = VectorFile::open(&set.base)?.read_all()?;
    let measured = plan.measured * LONGER;
    let mut all = Vec::new();
    for connections in [64, 1] {
        let mut figures = WritingFigures {
            connections,
            without: Vec::new(),
            with: Vec::new(),
            rows_per_second: Vec::new(),
            new_segments: 0,
        };
        for _ in 0..plan.rounds.max(1) {
            server.settle().await?;
            let run = server.bench(set, true, connections, measured).await?;
            figures.without.push(run);

            let segments = server.segments()?;
            let (start, mut written) = (Instant::now(), 0);
            tokio::select! {
                run = server.bench(set, true, connections, measured) => {
                    figures.with.push(run?);
                }
                failed = write_on(server.client(), &rows, &mut written) => return Err(failed),
            }
            let rate = written as f64 / start.elapsed().as_secs_f64();
            figures.rows_per_second.push(rate);
            figures.new_segments += server.segments()?.difference(&segments).count() as u64;
        }
        all.push(figures);
    }
    Ok(all)
}

/// Writes rows at an even pace, over and over, until it is dropped or fails.
async fn write_on(client: Client, rows: &VectorBatch, written: &mut u64) -> anyhow::Error {
    let bytes_per_row = rows.dimension * size_of::<f32>();
    let per_request = (BYTES_PER_SECOND / REQUESTS_PER_SECOND / bytes_per_row).max(1);
    let pause = Duration::from_secs(1) / REQUESTS_PER_SECOND as u32;
    let mut due = Instant::now();
    let mut first = 0;
    loop {
        let end = rows.rows().min(first + per_request);
        let vectors = &rows.vectors[first * rows.dimension..end * rows.dimension];
        let attempt = || client.ingest(&rows.ids[first..end], rows.dimension, vectors);
        match RetryPolicy::default().run(attempt, |_, _| ()).await {
            Ok(count) => *written += count,
            Err(error) => return error.into(),
        }
        first = if end == rows.rows() { 0 } else { end };
        due += pause;
        sleep(due.saturating_duration_since(Instant::now())).await;
    }
}
