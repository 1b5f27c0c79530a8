//! What the API answers when all went well. The fields are published: never remove one.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::options::Options;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::root::{SearchAnswer, ShardDigests};

/// The answer to `POST /ingest`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "indexed", "count": 2}))]
pub(super) struct Indexed {
    /// Always `indexed`.
    pub(super) status: &'static str,
    /// How many vectors the request held.
    pub(super) count: u64,
}

/// The answer to `POST /delete`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "deleted", "count": 1}))]
pub(super) struct Deleted {
    /// Always `deleted`.
    pub(super) status: &'static str,
    /// How many of the ids existed.
    pub(super) count: u64,
}

/// The answer to `POST` and `DELETE /cluster/nodes/{id}/drain`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"node": 1234567, "draining": true}))]
pub(super) struct Draining {
    /// The node.
    pub(super) node: u64,
    /// Whether it is being emptied.
    pub(super) draining: bool,
}

/// The answer to `POST /search`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "results": [{"id": "item_1", "score": 0.998}, {"id": "item_2", "score": 0.931}],
    "certified": true
}))]
pub(super) struct Found {
    /// Best first; equal scores in order of id.
    pub(super) results: Vec<Neighbour>,
    /// Whether it is proven that no other stored vector belongs among the results.
    pub(super) certified: bool,
    /// There only if shards are missing, which the request allowed: always `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partial: Option<bool>,
    /// The shards of which nothing is among the results, because no replica answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) missing_shards: Vec<u64>,
}

/// One neighbour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Neighbour {
    /// The id it was ingested under.
    pub(super) id: String,
    /// Cosine of query and vector, -1 to 1.
    pub(super) score: f32,
}

/// The answer to `DELETE /cluster/coordinators/{id}`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    /// The coordinator that is out.
    pub(super) coordinator: u64,
}

/// The answer to `GET /cluster/digests`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Digests {
    /// Every shard.
    pub(super) shards: Vec<ShardDigests>,
}

/// The answer to `GET /vectors/{id}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "item_1", "vector": [0.1, 0.2, 0.3]}))]
pub(super) struct Stored {
    /// The id.
    pub(super) id: String,
    /// The float32 values as they were ingested, each in the shortest decimal that reads back to
    /// the same bits.
    pub(super) vector: Vec<f32>,
}

/// The answer to `GET /health`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "status": "online",
    "items": 1000,
    "version": "0.1.0",
    "instruction_set": "avx512-vnni",
    "role": "serve",
    "grpc": "127.0.0.1:8100"
}))]
pub(super) struct Health {
    /// Always `online`.
    pub(super) status: &'static str,
    /// How many vectors are stored.
    pub(super) items: u64,
    /// The version of the server.
    pub(super) version: &'static str,
    /// What the scan runs on.
    pub(super) instruction_set: &'static str,
    /// `serve`, `coordinator` or `shard`.
    pub(super) role: &'static str,
    /// Where other nodes reach this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grpc: Option<String>,
}

/// The answer to `GET /ready`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ready"}))]
pub(super) struct Ready {
    /// Always `ready`.
    pub(super) status: &'static str,
}

impl Ready {
    /// That this process is part of its cluster, or that it is not yet.
    pub(super) fn answer(is_ready: bool) -> Response {
        if is_ready {
            return json(StatusCode::OK, &Ready { status: "ready" });
        }
        let detail = "this process is not part of its cluster yet: a coordinator waits until the \
                      cluster is founded or admits it, a shard node until a coordinator answers";
        let problem = Problem::new(ProblemKind::Unavailable, detail);
        problem.shards(Vec::new()).into_response()
    }

    /// That this process is about to stop.
    pub(super) fn stopping() -> Response {
        let detail = "this process is about to stop: send requests to another coordinator";
        let problem = Problem::new(ProblemKind::Unavailable, detail);
        problem.shards(Vec::new()).into_response()
    }
}

impl Health {
    pub(super) fn online(items: u64, options: &Options) -> Self {
        Health {
            status: "online",
            items,
            version: env!("CARGO_PKG_VERSION"),
            instruction_set: options.instruction_set,
            role: options.role.name(),
            grpc: options.grpc.clone(),
        }
    }
}

impl From<SearchAnswer> for Found {
    fn from(answer: SearchAnswer) -> Self {
        let hits = answer.hits.into_iter();
        let results = hits
            .map(|hit| Neighbour {
                id: hit.id,
                score: hit.score,
            })
            .collect();
        Found {
            results,
            certified: answer.certified,
            partial: (!answer.missing_shards.is_empty()).then_some(true),
            missing_shards: answer.missing_shards,
        }
    }
}

/// Writes an answer as JSON. A float32 is written by its own shortest decimal, not by that of the
/// float64 next to it.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => {
            let media_type = HeaderValue::from_static("application/json");
            (status, [(CONTENT_TYPE, media_type)], body).into_response()
        }
        Err(error) => {
            let detail = format!("the answer cannot be written as JSON: {error}");
            Problem::new(ProblemKind::Internal, detail).into_response()
        }
    }
}
