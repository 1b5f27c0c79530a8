//! Which path leads where.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_swagger_ui::SwaggerUi;

use super::api::{Api, Guarded, check_key, guard, refuse};
use super::auth::Right;
use super::backend::Backend;
use super::metrics::count;
use super::options::Options;
use super::problem::{PROBLEM_JSON, Problem};
use super::problem_kind::ProblemKind;
use super::{cluster_handlers, error_pages, handlers, openapi};

/// The API of a process that can answer everything: `vectra serve` and coordinators.
pub fn router<B: Backend>(backend: Arc<B>, options: Options) -> Router {
    let api = Arc::new(Api::new(backend, options));
    let needing = |right| Guarded {
        api: Arc::clone(&api),
        right,
    };
    let guarded = |right| from_fn_with_state(needing(right), guard::<B>);
    let writing = Router::new()
        .route("/ingest", post(handlers::ingest::<B>))
        .route("/delete", post(handlers::delete::<B>))
        .route(
            "/cluster/nodes/{id}/drain",
            post(cluster_handlers::drain::<B>).delete(cluster_handlers::cancel_drain::<B>),
        )
        .route(
            "/cluster/coordinators/{id}",
            delete(cluster_handlers::remove_coordinator::<B>),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(guarded(Right::Write));
    let reading = Router::new()
        .route("/search", post(handlers::search::<B>))
        .route("/vectors/{*id}", get(handlers::fetch::<B>))
        .route("/cluster", get(cluster_handlers::cluster::<B>))
        .route("/cluster/digests", get(cluster_handlers::digests::<B>))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(guarded(Right::Read));
    let telling = Router::new()
        .route("/metrics", get(handlers::metrics::<B>))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(needing(Right::Read), check_key::<B>));
    let open = Router::new()
        .route("/health", get(handlers::health::<B>))
        .route("/ready", get(handlers::ready::<B>))
        .route("/docs/errors", get(async || Html(error_pages::html())))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::document::<B::Status>()))
        .method_not_allowed_fallback(method_not_allowed);
    writing
        .merge(reading)
        .merge(telling)
        .merge(open)
        .fallback(no_such_path)
        .layer(map_response(as_problem))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&api.metrics), count))
        .with_state(api)
}

async fn no_such_path(request: Request) -> Response {
    let path = request.uri().path();
    let detail = format!("there is no {path:?}; /docs shows all paths");
    refuse(request, Problem::new(ProblemKind::NoSuchPath, detail))
}

/// The router adds the header `Allow`.
pub(super) async fn method_not_allowed(method: Method, request: Request) -> Response {
    let path = request.uri().path();
    let detail = format!("{path:?} does not take {method}; the header Allow says what it takes");
    refuse(request, Problem::new(ProblemKind::MethodNotAllowed, detail))
}

/// The pages of the documentation come from a library, whose 404 is a bare text.
async fn as_problem(response: Response) -> Response {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|found| found == PROBLEM_JSON);
    if response.status() != StatusCode::NOT_FOUND || is_problem {
        return response;
    }
    let detail = "there is no such page; /docs shows all paths";
    Problem::new(ProblemKind::NoSuchPath, detail).into_response()
}

pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let message = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a request panicked");
    let detail = "a fault of the server's own; its log says more";
    Problem::new(ProblemKind::Internal, detail).into_response()
}
