//! The root as the HTTP API sees it.

use tokio::time::Instant;

use super::{
    ClusterStatus, Consistency, IngestBatch, Root, RootError, SearchAnswer, SearchQuery,
    ShardDigests,
};
use crate::http::Backend;

impl Backend for Root {
    type Status = ClusterStatus;

    async fn ingest(&self, batch: IngestBatch, deadline: Instant) -> Result<u64, RootError> {
        Root::ingest(self, batch, deadline).await
    }

    async fn delete(&self, ids: Vec<String>, deadline: Instant) -> Result<u64, RootError> {
        Root::delete(self, ids, deadline).await
    }

    async fn search(
        &self,
        query: SearchQuery,
        deadline: Instant,
    ) -> Result<SearchAnswer, RootError> {
        Root::search(self, query, deadline).await
    }

    async fn fetch(
        &self,
        id: &str,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Option<Vec<f32>>, RootError> {
        Root::fetch(self, id, consistency, deadline).await
    }

    async fn drain(&self, node: u64, draining: bool, deadline: Instant) -> Result<(), RootError> {
        Root::drain(self, node, draining, deadline).await
    }

    async fn remove_coordinator(&self, node: u64, deadline: Instant) -> Result<(), RootError> {
        Root::remove_coordinator(self, node, deadline).await
    }

    async fn digests(&self, deadline: Instant) -> Result<Vec<ShardDigests>, RootError> {
        Root::digests(self, deadline).await
    }

    async fn status(&self) -> ClusterStatus {
        self.cluster_status()
    }

    fn items(status: &ClusterStatus) -> u64 {
        status.items
    }

    /// It knows its cluster, from its disk or from the others. Whether a majority of the coordinators
    /// is there does not matter: settled shards are searched and written without.
    fn is_ready(status: &ClusterStatus) -> bool {
        status.cluster_id.is_some()
    }

    fn measure(&self, status: &ClusterStatus) {
        Root::measure(self, status);
    }
}
