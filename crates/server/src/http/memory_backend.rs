//! For tests: an engine in memory, its API, and requests to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt;
use utoipa::ToSchema;

use super::{Backend, Lifecycle, Options, ShardNode, router};
use crate::config::Role;
use crate::root::{
    Consistency, Hit, IngestBatch, RootError, SearchAnswer, SearchQuery, ShardDigests,
};

/// An engine that keeps vectors in a map, scores by inner product, and fails when told to.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) vectors: Mutex<BTreeMap<String, Vec<f32>>>,
    pub(super) failure: Option<RootError>,
    pub(super) missing_shards: Vec<u64>,
    pub(super) panics: bool,
    pub(super) hangs: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MemoryStatus {
    pub(super) items: u64,
}

impl Memory {
    async fn strike(&self) -> Result<(), RootError> {
        assert!(!self.panics, "the engine fell over");
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Backend for Memory {
    type Status = MemoryStatus;

    async fn ingest(&self, batch: IngestBatch, _: Instant) -> Result<u64, RootError> {
        self.strike().await?;
        let rows = batch
            .vectors
            .chunks_exact(batch.dimension)
            .map(<[f32]>::to_vec);
        let count = batch.ids.len() as u64;
        self.vectors
            .lock()
            .unwrap()
            .extend(batch.ids.into_iter().zip(rows));
        Ok(count)
    }

    async fn delete(&self, ids: Vec<String>, _: Instant) -> Result<u64, RootError> {
        self.strike().await?;
        let mut vectors = self.vectors.lock().unwrap();
        Ok(ids
            .iter()
            .filter(|id| vectors.remove(*id).is_some())
            .count() as u64)
    }

    async fn drain(&self, node: u64, _: bool, _: Instant) -> Result<(), RootError> {
        self.strike().await?;
        if node == 1 {
            return Ok(());
        }
        Err(RootError::NoSuchNode(node))
    }

    async fn search(&self, query: SearchQuery, _: Instant) -> Result<SearchAnswer, RootError> {
        self.strike().await?;
        let product = |row: &Vec<f32>| row.iter().zip(&query.vector).map(|(a, b)| a * b).sum();
        let vectors = self.vectors.lock().unwrap();
        let mut hits: Vec<Hit> = vectors
            .iter()
            .map(|(id, row)| Hit {
                id: id.clone(),
                score: product(row),
            })
            .collect();
        hits.sort_by(|left, right| right.score.total_cmp(&left.score));
        hits.truncate(query.k);
        Ok(SearchAnswer {
            hits,
            certified: true,
            missing_shards: self.missing_shards.clone(),
        })
    }

    async fn fetch(
        &self,
        id: &str,
        _: Consistency,
        _: Instant,
    ) -> Result<Option<Vec<f32>>, RootError> {
        self.strike().await?;
        Ok(self.vectors.lock().unwrap().get(id).cloned())
    }

    async fn remove_coordinator(&self, node: u64, _: Instant) -> Result<(), RootError> {
        self.strike().await?;
        match node {
            1 => Ok(()),
            2 => Err(RootError::NotRemovable("it is the only one".to_owned())),
            _ => Err(RootError::NoSuchNode(node)),
        }
    }

    async fn digests(&self, _: Instant) -> Result<Vec<ShardDigests>, RootError> {
        self.strike().await?;
        Ok(Vec::new())
    }

    async fn status(&self) -> MemoryStatus {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        MemoryStatus {
            items: self.vectors.lock().unwrap().len() as u64,
        }
    }

    fn items(status: &MemoryStatus) -> u64 {
        status.items
    }

    fn is_ready(status: &MemoryStatus) -> bool {
        status.items > 0
    }

    fn measure(&self, status: &MemoryStatus) {
        metrics::gauge!("memory_items").set(status.items as f64);
    }
}

/// A shard node that holds 7 vectors.
pub(super) struct SevenVectors {
    pub(super) is_ready: bool,
}

impl ShardNode for SevenVectors {
    fn items(&self) -> u64 {
        7
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn measure(&self) {
        metrics::gauge!("seven").set(7.0);
    }
}

pub(super) fn options() -> Options {
    Options {
        role: Role::Serve,
        instruction_set: "scalar",
        grpc: Some("127.0.0.1:8100".to_owned()),
        max_body: 1 << 20,
        timeout: Duration::from_secs(30),
        max_in_flight: 100,
        lifecycle: Lifecycle::default(),
        api_keys: Vec::new(),
    }
}

pub(super) fn api() -> Router {
    router(Arc::new(Memory::default()), options())
}

pub(super) fn failing(failure: RootError) -> Router {
    router(
        Arc::new(Memory {
            failure: Some(failure),
            ..Memory::default()
        }),
        options(),
    )
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem, its frame checked.
    pub(super) fn problem(&self, slug: &str) -> Value {
        let json = self.json();
        assert_eq!(
            self.headers[CONTENT_TYPE], "application/problem+json",
            "{json}"
        );
        assert_eq!(json["type"], format!("/docs/errors#{slug}"), "{json}");
        assert_eq!(json["status"], self.status, "{json}");
        assert!(
            json["title"].is_string() && json["detail"].is_string(),
            "{json}"
        );
        json
    }
}

pub(super) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap(),
    }
}

pub(super) fn post(path: &str, body: impl Into<String>) -> Request<Body> {
    let body = body.into();
    Request::post(path)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, body.len())
        .body(Body::from(body))
        .unwrap()
}

pub(super) async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(super) const TWO_VECTORS: &str =
    r#"{"vectors": [[1, 0, 0], [0, 1, 0]], "ids": ["item_1", "item_2"]}"#;
