//! The handlers of routes about the cluster itself: how it is, and what an operator changes.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Digests, Draining, Removed, json};
use super::api::{Api, Deadline};
use super::backend::Backend;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::refusals::ReadRefusals;

/// Empty a shard node
///
/// Its replicas move to other nodes, a few at a time, and no new ones come, until it is cancelled.
/// The answer comes at once; `GET /cluster` shows how far it is. A node that holds no replicas any
/// more can be switched off.
#[utoipa::path(
    post, path = "/cluster/nodes/{id}/drain", tag = "operation",
    params(("id" = u64, Path, description = "The node's id, as `GET /cluster` gives it.")),
    responses(
        (status = 202, description = "It will be emptied.", body = Draining),
        (status = 404, description = "There is no such node.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        ReadRefusals
    )
)]
pub(super) async fn drain<B: Backend>(
    api: State<Arc<Api<B>>>,
    deadline: Extension<Deadline>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    set_draining(api, deadline, id, true).await
}

/// Use a shard node again
///
/// Cancels its emptying; replicas come back as far as that evens the nodes out.
#[utoipa::path(
    delete, path = "/cluster/nodes/{id}/drain", tag = "operation",
    params(("id" = u64, Path, description = "The node's id, as `GET /cluster` gives it.")),
    responses(
        (status = 202, description = "It will be used.", body = Draining),
        (status = 404, description = "There is no such node.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        ReadRefusals
    )
)]
pub(super) async fn cancel_drain<B: Backend>(
    api: State<Arc<Api<B>>>,
    deadline: Extension<Deadline>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    set_draining(api, deadline, id, false).await
}

async fn set_draining<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    id: Result<Path<u64>, PathRejection>,
    draining: bool,
) -> Result<Response, Problem> {
    let Path(node) = id.map_err(|_| not_an_id())?;
    api.backend.drain(node, draining, deadline.0).await?;
    Ok(json(StatusCode::ACCEPTED, &Draining { node, draining }))
}

/// Look at the cluster
pub(super) async fn cluster<B: Backend>(State(api): State<Arc<Api<B>>>) -> Response {
    json(StatusCode::OK, &api.backend.status().await)
}

fn not_an_id() -> Problem {
    let detail = "the node in the path must be its id, a whole number, as GET /cluster gives it";
    Problem::new(ProblemKind::InvalidPath, detail)
}

/// Take a coordinator out
///
/// It loses its vote and its place among the coordinators for good, whether it lives or not, and ends if
/// it does. The answer comes when the others count its vote no more. The last one stays.
#[utoipa::path(
    delete, path = "/cluster/coordinators/{id}", tag = "operation",
    params(("id" = u64, Path, description = "The coordinator's id, as `GET /cluster` gives it.")),
    responses(
        (status = 200, description = "It is out.", body = Removed),
        (status = 404, description = "There is no such coordinator.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "It is the last one, or holds replicas.",
         body = super::problem::ProblemDocument, content_type = "application/problem+json"),
        ReadRefusals
    )
)]
pub(super) async fn remove_coordinator<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(coordinator) = id.map_err(|_| not_an_id())?;
    api.backend
        .remove_coordinator(coordinator, deadline.0)
        .await?;
    Ok(json(StatusCode::OK, &Removed { coordinator }))
}

/// Compare the replicas
///
/// Every replica of every shard reads all its rows and sums them up; equal rows give equal digests. To
/// be asked while nothing is written: replicas that have not applied the same entries are not compared.
#[utoipa::path(
    get, path = "/cluster/digests", tag = "operation",
    responses((status = 200, description = "What each replica holds.", body = Digests), ReadRefusals)
)]
pub(super) async fn digests<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(deadline): Extension<Deadline>,
) -> Result<Response, Problem> {
    let shards = api.backend.digests(deadline.0).await?;
    Ok(json(StatusCode::OK, &Digests { shards }))
}
