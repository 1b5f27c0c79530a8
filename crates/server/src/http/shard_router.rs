//! The HTTP API of a shard node: how it is. For everything else there are coordinators.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use super::answer::{Health, Ready, json};
use super::api::refuse;
use super::auth::{Right, authorize};
use super::backend::ShardNode;
use super::metrics::{Metrics, count};
use super::options::Options;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::router::{method_not_allowed, panicked};

struct Shown<S> {
    node: S,
    options: Options,
    metrics: Arc<Metrics>,
}

/// The API of a shard node: its health, its metrics, and the advice to ask a coordinator.
pub fn shard_router<S: ShardNode>(node: S, options: Options) -> Router {
    let metrics = Arc::new(Metrics::new(&options));
    let shown = Shown {
        node,
        options,
        metrics: Arc::clone(&metrics),
    };
    Router::new()
        .route("/health", get(health::<S>))
        .route("/ready", get(ready::<S>))
        .route("/metrics", get(page::<S>))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(ask_a_coordinator)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(metrics, count))
        .with_state(Arc::new(shown))
}

async fn health<S: ShardNode>(State(shown): State<Arc<Shown<S>>>) -> Response {
    let health = Health::online(shown.node.items(), &shown.options);
    json(StatusCode::OK, &health)
}

async fn ready<S: ShardNode>(State(shown): State<Arc<Shown<S>>>) -> Response {
    if shown.options.lifecycle.stops() {
        return Ready::stopping();
    }
    Ready::answer(shown.node.is_ready())
}

async fn page<S: ShardNode>(State(shown): State<Arc<Shown<S>>>, request: Request) -> Response {
    match authorize(&shown.options.api_keys, request.headers(), Right::Read) {
        Ok(()) => shown.metrics.page(|| shown.node.measure()),
        Err(problem) => refuse(request, problem),
    }
}

async fn ask_a_coordinator(request: Request) -> Response {
    let detail = "this is a shard node, which answers /health, /ready and /metrics only; ask a \
                  coordinator";
    refuse(request, Problem::new(ProblemKind::NoSuchPath, detail))
}
