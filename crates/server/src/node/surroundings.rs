//! What a process stands on, of which there may be another kind than the operating system's.

use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use futures::future::BoxFuture;
use vectra_client::Client;
use vectra_cluster::{Dial, LogDisk, Workers};

/// What a process stands on: by default the operating system's threads, disk and network. In a simulation,
/// what it has instead.
#[derive(Clone)]
pub struct Surroundings {
    /// Who does what keeps a core busy or waits for a disk. Where they work in turn, so do searches.
    pub workers: Workers,
    /// The disk under the raft log, if not the operating system's.
    pub disk: Option<Arc<dyn LogDisk>>,
    /// How other nodes are reached, if not by TCP.
    pub dial: Option<Arc<dyn Dial>>,
    /// How a coordinator is found by its URL.
    pub introduce: Arc<dyn Introduce>,
}

/// How a coordinator's URL, as `--join` takes it, leads to the address at which nodes reach it.
pub trait Introduce: Send + Sync + 'static {
    /// The coordinator's gRPC address, `name:port`.
    fn grpc_of<'a>(&'a self, url: &'a str) -> BoxFuture<'a, anyhow::Result<String>>;
}

/// The coordinator says so itself, in its `GET /health`.
struct ByHealth;

impl Introduce for ByHealth {
    fn grpc_of<'a>(&'a self, url: &'a str) -> BoxFuture<'a, anyhow::Result<String>> {
        Box::pin(async move {
            let health = Client::new(url)?.health().await?;
            let grpc = health.more.get("grpc").and_then(|grpc| grpc.as_str());
            Ok(grpc.context("it is no coordinator")?.to_owned())
        })
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            disk: None,
            dial: None,
            introduce: Arc::new(ByHealth),
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Surroundings")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
