//! One handler a route: body in, engine asked, answer out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use super::answer::{Deleted, Found, Health, Indexed, Stored, json};
use super::api::{Api, Deadline};
use super::backend::Backend;
use super::body::read_json;
use super::json::{check_id, parse_delete, parse_ingest, parse_search};
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::refusals::{ReadRefusals, WriteRefusals};

/// `GET /health` answers within this time whatever the cluster does.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// Vectors to store.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `json` parses it straight into flat floats"
)]
#[schema(example = json!({
    "vectors": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
    "ids": ["item_1", "item_2"]
}))]
pub(super) struct IngestRequest {
    /// Vectors of one dimension, 1 to 4,096; every value finite in float32, none all zeros.
    #[schema(min_items = 1)]
    vectors: Vec<Vec<f32>>,
    /// One id a vector, 1 to 512 bytes of UTF-8. The later of two equal ids wins.
    #[schema(min_items = 1)]
    ids: Vec<String>,
}

/// What to search for.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `json` parses it straight into flat floats"
)]
#[schema(example = json!({"vector": [0.1, 0.2, 0.3], "k": 2}))]
pub(super) struct SearchRequest {
    /// The query, of the collection's dimension.
    #[schema(min_items = 1)]
    vector: Vec<f32>,
    /// How many neighbours to return at the most.
    #[schema(minimum = 1, maximum = 10_000, default = 5)]
    k: Option<u32>,
    /// `exact`: the true neighbours, proven. `sq8`: the ranking by 8-bit codes.
    #[schema(default = "exact", example = "exact", pattern = "^(exact|sq8)$")]
    precision: Option<String>,
}

/// Ids to delete.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; `json` parses it")]
#[schema(example = json!({"ids": ["item_1"]}))]
pub(super) struct DeleteRequest {
    /// At least one id; one that does not exist is no error.
    #[schema(min_items = 1)]
    ids: Vec<String>,
}

/// Store vectors
///
/// An id that exists is replaced. The answer comes when the vectors are on stable storage on a
/// majority of the replicas and every later search finds them. Repeating a request is harmless.
#[utoipa::path(
    post, path = "/ingest", tag = "vectors", request_body = IngestRequest,
    responses((status = 201, description = "Stored.", body = Indexed), WriteRefusals)
)]
pub(super) async fn ingest<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
) -> Result<Response, Problem> {
    let max_body = api.options.max_body;
    let (batch, _bytes) = read_json(request, max_body, &api.admission, parse_ingest).await?;
    let count = api.backend.ingest(batch, deadline.0).await?;
    Ok(json(
        StatusCode::CREATED,
        &Indexed {
            status: "indexed",
            count,
        },
    ))
}

/// Find the nearest vectors
///
/// Scores are cosines, best first, equal ones in order of id.
#[utoipa::path(
    post, path = "/search", tag = "vectors", request_body = SearchRequest,
    responses((status = 200, description = "The neighbours.", body = Found), ReadRefusals)
)]
pub(super) async fn search<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
) -> Result<Response, Problem> {
    let max_body = api.options.max_body;
    let (query, _bytes) = read_json(request, max_body, &api.admission, parse_search).await?;
    let answer = api.backend.search(query, deadline.0).await?;
    Ok(json(StatusCode::OK, &Found::from(answer)))
}

/// Delete vectors
///
/// The answer counts the ids that existed.
#[utoipa::path(
    post, path = "/delete", tag = "vectors", request_body = DeleteRequest,
    responses((status = 200, description = "Deleted.", body = Deleted), WriteRefusals)
)]
pub(super) async fn delete<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
) -> Result<Response, Problem> {
    let max_body = api.options.max_body;
    let (ids, _bytes) = read_json(request, max_body, &api.admission, parse_delete).await?;
    let count = api.backend.delete(ids, deadline.0).await?;
    Ok(json(
        StatusCode::OK,
        &Deleted {
            status: "deleted",
            count,
        },
    ))
}

/// Fetch a vector
///
/// The very float32 values that were ingested. The id is percent-encoded as a path segment.
#[utoipa::path(
    get, path = "/vectors/{id}", tag = "vectors",
    params(("id" = String, Path, description = "The id, percent-encoded.")),
    responses(
        (status = 200, description = "The vector.", body = Stored),
        (status = 404, description = "Nothing is stored under this id.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        ReadRefusals
    )
)]
pub(super) async fn fetch<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|rejection| {
        let detail = format!(
            "the id in the path cannot be read: {}",
            rejection.body_text()
        );
        Problem::new(ProblemKind::InvalidPath, detail)
    })?;
    check_id(&id, "the id in the path")?;
    match api.backend.fetch(&id, deadline.0).await? {
        Some(vector) => Ok(json(StatusCode::OK, &Stored { id, vector })),
        None => {
            let detail = format!("nothing is stored under {id:?}");
            Err(Problem::new(ProblemKind::NoSuchVector, detail).id(id))
        }
    }
}

/// Look at the cluster
pub(super) async fn cluster<B: Backend>(State(api): State<Arc<Api<B>>>) -> Response {
    json(StatusCode::OK, &api.backend.status().await)
}

/// Ask whether the server is well
#[utoipa::path(
    get, path = "/health", tag = "operation",
    responses((status = 200, description = "It is.", body = Health))
)]
pub(super) async fn health<B: Backend>(
    State(api): State<Arc<Api<B>>>,
) -> Result<Response, Problem> {
    let items = match tokio::time::timeout(HEALTH_PATIENCE, api.backend.status()).await {
        Ok(status) => {
            let items = B::items(&status);
            api.last_items
                .store(items.saturating_add(1), Ordering::Relaxed);
            items
        }
        // Slow nodes are no reason to call this process ill; the last count known will do.
        Err(_) => api
            .last_items
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .ok_or_else(|| {
                let detail = "the cluster does not answer yet";
                Problem::new(ProblemKind::Unavailable, detail).shards(Vec::new())
            })?,
    };
    Ok(json(StatusCode::OK, &Health::online(items, &api.options)))
}
