//! How many vectors a second the server acknowledges, on its disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::task::JoinSet;
use vectra_client::files::{VectorBatch, VectorFile};

use super::Plan;
use crate::figures::IngestFigures;
use crate::server::Server;
use crate::vector_set::VectorSet;

/// Requests under way at a time: as many as `vectra import` has.
const CONNECTIONS: usize = 4;
/// Values in a request: as many as `vectra import` sends.
const VALUES_PER_REQUEST: usize = 1 << 20;
const MOST_ROWS_PER_REQUEST: usize = 10_000;

/// The figures, and the servers of the last round, at rest.
pub(super) struct Ingested {
    pub(super) json: IngestFigures,
    pub(super) binary: IngestFigures,
    pub(super) json_server: Server,
    pub(super) binary_server: Server,
}

/// JSON and binary in turns, each into an empty server.
pub(super) async fn measure(set: &VectorSet, plan: &Plan) -> Result<Ingested> {
    let rows = VectorFile::open(&set.base)?.read_all()?;
    let rows = Arc::new(VectorBatch {
        ids: (0..rows.rows()).map(|row| format!("vec_{row}")).collect(),
        ..rows
    });
    let (mut json, mut binary) = (IngestFigures::default(), IngestFigures::default());
    let mut last: Option<(Server, Server)> = None;
    for _ in 0..plan.rounds.max(1) {
        // The servers of the round before end here, not beside those of this one.
        drop(last.take());
        let json_server = Server::start(&plan.binary, &plan.scratch).await?;
        let rate = ingest_json(json_server.client().url(), &rows).await?;
        json_server.settle().await?;
        json.vectors_per_second.push(rate);
        json.memory_after.push(json_server.memory()?);

        let binary_server = Server::start(&plan.binary, &plan.scratch).await?;
        let rate = binary_server.import(&[&set.base]).await?;
        binary_server.settle().await?;
        binary.vectors_per_second.push(rate);
        binary.memory_after.push(binary_server.memory()?);
        last = Some((json_server, binary_server));
    }
    let (json_server, binary_server) = last.context("no round was measured")?;
    Ok(Ingested {
        json,
        binary,
        json_server,
        binary_server,
    })
}

/// The body of a request, as JSON.
#[derive(Serialize)]
struct Ingest<'a> {
    vectors: Vec<&'a [f32]>,
    ids: &'a [String],
}

/// Sends everything as JSON; vectors a second from the first request to the last answer. Making
/// the text is part of it, as it is on the machine of any client.
async fn ingest_json(url: &str, rows: &Arc<VectorBatch>) -> Result<f64> {
    let per_request = (VALUES_PER_REQUEST / rows.dimension).clamp(1, MOST_ROWS_PER_REQUEST);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (rows, next) = (Arc::clone(rows), Arc::clone(&next));
        let (client, url) = (reqwest::Client::new(), format!("{url}/ingest"));
        senders.spawn(async move {
            loop {
                let first = next.fetch_add(per_request, Ordering::Relaxed);
                let end = rows.rows().min(first + per_request);
                if first >= end {
                    return anyhow::Ok(());
                }
                let vectors = &rows.vectors[first * rows.dimension..end * rows.dimension];
                let body = serde_json::to_vec(&Ingest {
                    vectors: vectors.chunks_exact(rows.dimension).collect(),
                    ids: &rows.ids[first..end],
                })?;
                let sent = client
                    .post(&url)
                    .header("content-type", "application/json")
                    .body(body);
                let answer = sent.send().await?;
                let status = answer.status();
                ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(rows.rows() as f64 / start.elapsed().as_secs_f64())
}
