//! The errors a route may answer with, as the API's documentation lists them.

use utoipa::IntoResponses;

use super::problem::ProblemDocument;

/// What a read may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that `Problem` gives")]
pub(super) enum ReadRefusals {
    /// The request is wrong; `detail` says where and what to change.
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(ProblemDocument),
    /// No key, or one the server does not know.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemDocument),
    /// A key without the right `read`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDocument),
    /// The body is longer than `http.max_body`.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is not JSON by its content type.
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(ProblemDocument),
    /// Too much is under way; see `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    Overloaded(ProblemDocument),
    /// Shards without a reachable replica; see `shards` and `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
    /// The deadline `http.timeout` passed.
    #[response(status = 504, content_type = "application/problem+json")]
    Deadline(ProblemDocument),
}

/// What a write may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that `Problem` gives")]
pub(super) enum WriteRefusals {
    /// The request is wrong; `detail` says where and what to change.
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(ProblemDocument),
    /// No key, or one the server does not know.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemDocument),
    /// A key without the right `write`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDocument),
    /// The request does not say how long its body is.
    #[response(status = 411, content_type = "application/problem+json")]
    LengthRequired(ProblemDocument),
    /// The body is longer than `http.max_body`.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is of no type that this path takes.
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(ProblemDocument),
    /// Too much is under way; see `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    Overloaded(ProblemDocument),
    /// Shards without a reachable quorum, or a write lost sight of; see `shards`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
    /// The deadline `http.timeout` passed; the write may have taken place.
    #[response(status = 504, content_type = "application/problem+json")]
    Deadline(ProblemDocument),
    /// The memory budget or the disk reserve would be exceeded.
    #[response(status = 507, content_type = "application/problem+json")]
    OverBudget(ProblemDocument),
}
