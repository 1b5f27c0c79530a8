//! What the HTTP handlers ask of the engine behind them.

use std::future::Future;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::root::{Consistency, IngestBatch, RootError, SearchAnswer, SearchQuery, ShardDigests};

/// The engine as the HTTP API sees it: the root of a cluster, or a fake in tests.
///
/// Every method must return by its deadline, with [`RootError::Deadline`] if need be. HTTP answers
/// 504 at the deadline all the same and drops the future.
pub trait Backend: Send + Sync + 'static {
    /// The cluster at a glance, served by `GET /cluster` as it is.
    type Status: Serialize + ToSchema + Send;

    /// Stores the batch and returns how many vectors it held.
    fn ingest(
        &self,
        batch: IngestBatch,
        deadline: Instant,
    ) -> impl Future<Output = Result<u64, RootError>> + Send;

    /// Deletes these ids and returns how many of them existed.
    fn delete(
        &self,
        ids: Vec<String>,
        deadline: Instant,
    ) -> impl Future<Output = Result<u64, RootError>> + Send;

    /// Finds the nearest neighbours of a vector.
    fn search(
        &self,
        query: SearchQuery,
        deadline: Instant,
    ) -> impl Future<Output = Result<SearchAnswer, RootError>> + Send;

    /// Returns the vector stored under an id, or nothing if there is none.
    fn fetch(
        &self,
        id: &str,
        consistency: Consistency,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Vec<f32>>, RootError>> + Send;

    /// Empties a shard node of its replicas, or no longer.
    fn drain(
        &self,
        node: u64,
        draining: bool,
        deadline: Instant,
    ) -> impl Future<Output = Result<(), RootError>> + Send;

    /// Takes a coordinator out of the cluster for good.
    fn remove_coordinator(
        &self,
        node: u64,
        deadline: Instant,
    ) -> impl Future<Output = Result<(), RootError>> + Send;

    /// Compares the replicas of every shard.
    fn digests(
        &self,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<ShardDigests>, RootError>> + Send;

    /// Looks at the cluster.
    fn status(&self) -> impl Future<Output = Self::Status> + Send;

    /// How many vectors the cluster holds, as `GET /health` reports it.
    fn items(status: &Self::Status) -> u64;

    /// Whether this process is part of its cluster, as `GET /ready` reports it.
    fn is_ready(status: &Self::Status) -> bool;

    /// Sets the gauges of `GET /metrics`: those of the status, and of this process itself.
    fn measure(&self, status: &Self::Status);
}

/// A shard node as its HTTP API sees it.
pub trait ShardNode: Send + Sync + 'static {
    /// How many vectors it holds, as `GET /health` reports it.
    fn items(&self) -> u64;

    /// Whether it is part of its cluster, as `GET /ready` reports it.
    fn is_ready(&self) -> bool;

    /// Sets the gauges of `GET /metrics`.
    fn measure(&self);
}
