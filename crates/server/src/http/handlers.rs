//! One handler a route: body in, engine asked, answer out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use utoipa::ToSchema;

use super::answer::{Deleted, Found, Health, Indexed, Ready, Stored, json};
use super::api::{Api, Deadline};
use super::backend::Backend;
use super::binary::IngestFormat;
use super::body::{read_body, read_json};
use super::consistency;
use super::json::{check_id, parse_delete, parse_search};
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::refusals::{ReadRefusals, WriteRefusals};

/// `GET /health` and `GET /ready` answer within this time whatever the cluster does.
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

/// Vectors to store and their ids, as the parts of a form.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `binary` cuts it into its parts"
)]
pub(super) struct IngestForm {
    /// A `.npy` file of two dimensions in C order: float32, float16 or float64, little-endian, or
    /// uint8 or int8. With `dimension`, rows of little-endian float32 with nothing else.
    #[schema(value_type = String, format = Binary)]
    vectors: Vec<u8>,
    /// One id a line, 1 to 512 bytes of UTF-8; a JSON array of strings if the part's own
    /// `Content-Type` is `application/json`. Left out with `first_id`.
    #[schema(example = "item_1\nitem_2")]
    ids: Option<String>,
}

/// The bytes of vectors.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes the body; `binary` reads it")]
pub(super) struct Binary(Vec<u8>);

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
    /// Which replicas may answer. `leader`: everything acknowledged before is seen. `linearizable`:
    /// the same, without trust in clocks, for one more round between nodes. `any`: everything
    /// acknowledged up to five seconds before is seen, from whichever replica is there.
    #[schema(
        default = "leader",
        example = "leader",
        pattern = "^(leader|linearizable|any)$"
    )]
    consistency: Option<String>,
    /// Whether shards without a replica to answer may be left out, rather than the search be
    /// answered 503.
    #[schema(default = false)]
    allow_partial: Option<bool>,
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
///
/// Binary vectors are quicker to send and to read than JSON: as the part `vectors` of a form beside
/// the part `ids`, or as the whole body where row numbers are the ids.
#[utoipa::path(
    post, path = "/ingest", tag = "vectors",
    request_body(content(
        (IngestRequest = "application/json"),
        (IngestForm = "multipart/form-data"),
        (Binary = "application/x-npy"),
        (Binary = "application/octet-stream")
    )),
    params(
        ("dimension" = Option<u32>, Query, minimum = 1, maximum = 4_096,
         description = "Of binary vectors only: they are raw little-endian float32, so many a \
                        vector."),
        ("first_id" = Option<u64>, Query,
         description = "Of binary vectors only: row numbers from here on are the ids.")
    ),
    responses((status = 201, description = "Stored.", body = Indexed), WriteRefusals)
)]
pub(super) async fn ingest<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
) -> Result<Response, Problem> {
    let max_body = api.options.max_body;
    let parser = |parts: &Parts| {
        let format = IngestFormat::of(parts)?;
        Ok(move |body: &[u8]| format.parse(body))
    };
    let (batch, _bytes) = read_body(request, max_body, &api.admission, parser).await?;
    let began = Instant::now();
    let count = api.backend.ingest(batch, deadline.0).await?;
    api.metrics.ingested(count, began.elapsed());
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
    let waiting = api.metrics.search_begins();
    let answer = api.backend.search(query, deadline.0).await?;
    api.metrics.searched(&waiting);
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
    api.metrics.deleted(count);
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
    params(
        ("id" = String, Path, description = "The id, percent-encoded."),
        ("consistency" = Option<String>, Query, pattern = "^(leader|linearizable|any)$",
         description = "Which replicas may answer, as in a search.")
    ),
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
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|rejection| {
        let detail = format!(
            "the id in the path cannot be read: {}",
            rejection.body_text()
        );
        Problem::new(ProblemKind::InvalidPath, detail)
    })?;
    check_id(&id, "the id in the path")?;
    let consistency = consistency::from_query(query.as_deref())?;
    match api.backend.fetch(&id, consistency, deadline.0).await? {
        Some(vector) => Ok(json(StatusCode::OK, &Stored { id, vector })),
        None => {
            let detail = format!("nothing is stored under {id:?}");
            Err(Problem::new(ProblemKind::NoSuchVector, detail).id(id))
        }
    }
}

/// What the server counts, for Prometheus
///
/// `docs/metrics.md` lists the names. It answers while the server sheds load.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, description = "Counters, histograms and gauges in Prometheus' text format.",
         body = String, content_type = "text/plain"),
        (status = 401, description = "No key, or one the server does not know.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "A key without the right `read`.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn metrics<B: Backend>(State(api): State<Arc<Api<B>>>) -> Response {
    let status = api.backend.status().await;
    api.metrics.page(|| api.backend.measure(&status))
}

/// Ask whether the server is part of its cluster
///
/// A load balancer asks this before it sends requests here; `/health` tells whether to start the
/// process anew.
#[utoipa::path(
    get, path = "/ready", tag = "operation",
    responses(
        (status = 200, description = "It is.", body = Ready),
        (status = 503, description = "Not yet.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn ready<B: Backend>(State(api): State<Arc<Api<B>>>) -> Response {
    if api.options.lifecycle.stops() {
        return Ready::stopping();
    }
    let status = tokio::time::timeout(HEALTH_PATIENCE, api.backend.status()).await;
    Ready::answer(status.is_ok_and(|status| B::is_ready(&status)))
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
