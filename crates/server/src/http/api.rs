//! What all handlers share, and the guard before each of them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::{Request, State};
use axum::http::Version;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout_at};

use super::admission::Admission;
use super::auth::{Right, authorize};
use super::backend::Backend;
use super::body::drain;
use super::metrics::Metrics;
use super::options::Options;
use super::problem::Problem;
use super::problem_kind::ProblemKind;

/// The API of one process.
pub(super) struct Api<B> {
    pub(super) backend: Arc<B>,
    pub(super) options: Options,
    pub(super) admission: Admission,
    pub(super) metrics: Arc<Metrics>,
    /// What `GET /health` reported last, plus one; 0 if nothing yet.
    pub(super) last_items: AtomicU64,
}

impl<B: Backend> Api<B> {
    pub(super) fn new(backend: Arc<B>, options: Options) -> Self {
        let admission = Admission::new(options.max_in_flight, options.max_body);
        let metrics = Arc::new(Metrics::new(&options));
        Api {
            backend,
            options,
            admission,
            metrics,
            last_items: AtomicU64::new(0),
        }
    }
}

/// When the answer to a request must be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

/// A route's right, beside the API, for [`guard`].
pub(super) struct Guarded<B> {
    pub(super) api: Arc<Api<B>>,
    pub(super) right: Right,
}

impl<B> Clone for Guarded<B> {
    fn clone(&self) -> Self {
        Guarded {
            api: Arc::clone(&self.api),
            right: self.right,
        }
    }
}

/// Checks the key, admits the request and holds it to its deadline.
pub(super) async fn guard<B: Backend>(
    State(guarded): State<Guarded<B>>,
    mut request: Request,
    next: Next,
) -> Response {
    let options = &guarded.api.options;
    let deadline = Instant::now() + options.timeout;
    options.lifecycle.note_request();
    let admitted = authorize(&options.api_keys, request.headers(), guarded.right)
        .and_then(|()| guarded.api.admission.admit());
    let _admitted = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => return refuse(request, problem),
    };
    request.extensions_mut().insert(Deadline(deadline));
    let version = request.version();
    match timeout_at(deadline, next.run(request)).await {
        Ok(mut response) => {
            // HTTP/2 has a message of its own for that, sent when the port closes.
            if options.lifecycle.stops() && version <= Version::HTTP_11 {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            response
        }
        Err(_) => {
            let detail = format!(
                "no answer within http.timeout ({:?}), the sending of the body included; a write \
                 may or may not have taken place, and repeating it is harmless",
                options.timeout
            );
            Problem::new(ProblemKind::Deadline, detail).into_response()
        }
    }
}

/// Checks the key alone: what tells how the server is must answer while it sheds load.
pub(super) async fn check_key<B: Backend>(
    State(guarded): State<Guarded<B>>,
    request: Request,
    next: Next,
) -> Response {
    let keys = &guarded.api.options.api_keys;
    match authorize(keys, request.headers(), guarded.right) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(request, problem),
    }
}

/// Answers with a problem and lets the client finish sending.
pub(super) fn refuse(request: Request, problem: Problem) -> Response {
    let (parts, body) = request.into_parts();
    drain(&parts.headers, body);
    problem.into_response()
}
