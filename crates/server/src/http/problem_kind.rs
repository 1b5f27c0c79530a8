//! Every kind of error there is: its name, its status, and what a client should do about it.

use axum::http::StatusCode;

/// What kind of error a problem is. The slugs are published: never rename one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    EmptyBody,
    MalformedJson,
    MalformedForm,
    MalformedVectors,
    InvalidParameter,
    WrongType,
    MissingField,
    UnknownField,
    DuplicateField,
    CountMismatch,
    WrongDimension,
    NotFinite,
    ZeroVector,
    InvalidId,
    EmptyBatch,
    InvalidK,
    InvalidPrecision,
    InvalidConsistency,
    InvalidPath,
    Unauthorized,
    Forbidden,
    NoSuchVector,
    NoSuchNode,
    NotRemovable,
    NoSuchPath,
    MethodNotAllowed,
    LengthRequired,
    BodyTooLarge,
    UnsupportedMediaType,
    BodyCutShort,
    Overloaded,
    Internal,
    Unavailable,
    OutcomeUnknown,
    Deadline,
    OverBudget,
}

/// What the documentation says about a kind of error.
pub(crate) struct Description {
    pub(crate) slug: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) remedy: &'static str,
}

impl ProblemKind {
    /// All kinds, in the order of the documentation.
    pub(crate) const ALL: [ProblemKind; 36] = [
        ProblemKind::EmptyBody,
        ProblemKind::MalformedJson,
        ProblemKind::MalformedForm,
        ProblemKind::MalformedVectors,
        ProblemKind::InvalidParameter,
        ProblemKind::WrongType,
        ProblemKind::MissingField,
        ProblemKind::UnknownField,
        ProblemKind::DuplicateField,
        ProblemKind::CountMismatch,
        ProblemKind::WrongDimension,
        ProblemKind::NotFinite,
        ProblemKind::ZeroVector,
        ProblemKind::InvalidId,
        ProblemKind::EmptyBatch,
        ProblemKind::InvalidK,
        ProblemKind::InvalidPrecision,
        ProblemKind::InvalidConsistency,
        ProblemKind::InvalidPath,
        ProblemKind::BodyCutShort,
        ProblemKind::Unauthorized,
        ProblemKind::Forbidden,
        ProblemKind::NoSuchVector,
        ProblemKind::NoSuchNode,
        ProblemKind::NotRemovable,
        ProblemKind::NoSuchPath,
        ProblemKind::MethodNotAllowed,
        ProblemKind::LengthRequired,
        ProblemKind::BodyTooLarge,
        ProblemKind::UnsupportedMediaType,
        ProblemKind::Overloaded,
        ProblemKind::Internal,
        ProblemKind::Unavailable,
        ProblemKind::OutcomeUnknown,
        ProblemKind::Deadline,
        ProblemKind::OverBudget,
    ];

    /// Whether the same request may well succeed a second later.
    pub(crate) fn is_worth_retrying(self) -> bool {
        matches!(
            self,
            ProblemKind::Overloaded | ProblemKind::Unavailable | ProblemKind::OutcomeUnknown
        )
    }

    pub(crate) fn describe(self) -> Description {
        let (slug, status, title, remedy) = match self {
            ProblemKind::EmptyBody => (
                "empty-body",
                StatusCode::BAD_REQUEST,
                "Empty body",
                "The request has no body. Send JSON.",
            ),
            ProblemKind::MalformedJson => (
                "malformed-json",
                StatusCode::BAD_REQUEST,
                "Malformed JSON",
                "The body is not JSON in UTF-8. `line` and `column` say where it stops being so; \
                 a body that was cut off ends there.",
            ),
            ProblemKind::MalformedForm => (
                "malformed-form",
                StatusCode::BAD_REQUEST,
                "Malformed form",
                "The body is not `multipart/form-data` as its `Content-Type` has it. `byte` says \
                 where it stops being so; a body that was cut off ends there.",
            ),
            ProblemKind::MalformedVectors => (
                "malformed-vectors",
                StatusCode::BAD_REQUEST,
                "Malformed vectors",
                "Binary vectors are a `.npy` file of two dimensions in C order, of little-endian \
                 float32, float16 or float64, or of uint8 or int8, or with `?dimension=D` raw \
                 little-endian float32 values. `byte` says where they are not; where their length \
                 is wrong, `expected` and `got` are bytes.",
            ),
            ProblemKind::InvalidParameter => (
                "invalid-parameter",
                StatusCode::BAD_REQUEST,
                "Invalid parameter",
                "The query of the URL is not what the request takes. Binary vectors take `dimension` \
                 for raw float32 values and `first_id` where row numbers are the ids; the fetch of a \
                 vector takes `consistency`.",
            ),
            ProblemKind::WrongType => (
                "wrong-type",
                StatusCode::BAD_REQUEST,
                "Wrong type",
                "A value is of another type than the API takes, such as a string where a number \
                 belongs, or a number where an id belongs (quote it). `line` and `column` say \
                 which.",
            ),
            ProblemKind::MissingField => (
                "missing-field",
                StatusCode::BAD_REQUEST,
                "Missing field",
                "The object, or the form, lacks a field that the request needs. `detail` names it.",
            ),
            ProblemKind::UnknownField => (
                "unknown-field",
                StatusCode::BAD_REQUEST,
                "Unknown field",
                "The object, or the form, has a field that the request does not take. `detail` \
                 lists those it takes. Unknown fields are refused so that a slip of the keyboard is not mistaken \
                 for a default.",
            ),
            ProblemKind::DuplicateField => (
                "duplicate-field",
                StatusCode::BAD_REQUEST,
                "Field given twice",
                "The object, or the form, has the same field twice, and nobody can say which was \
                 meant.",
            ),
            ProblemKind::CountMismatch => (
                "count-mismatch",
                StatusCode::BAD_REQUEST,
                "Counts differ",
                "`vectors` and `ids` must have the same length: one id a vector. `expected` is \
                 the number of vectors, `got` that of ids.",
            ),
            ProblemKind::WrongDimension => (
                "wrong-dimension",
                StatusCode::BAD_REQUEST,
                "Wrong dimension",
                "All vectors of a collection have the same number of values, 1 to 4,096. The \
                 first ingest fixes it, unless the configuration did (`dim`). `index` is the \
                 vector, `expected` its dimension as it should be, `got` as it is.",
            ),
            ProblemKind::NotFinite => (
                "not-finite",
                StatusCode::BAD_REQUEST,
                "Value not finite",
                "A value is NaN, infinite, or beyond the range of a 32-bit float (about \
                 3.4e38). `index` is the vector, `position` the value in it.",
            ),
            ProblemKind::ZeroVector => (
                "zero-vector",
                StatusCode::BAD_REQUEST,
                "Zero vector",
                "A vector of zeros has no direction, so it has no cosine. `index` and `id` say \
                 which it is. Values too small for a 32-bit float count as zero.",
            ),
            ProblemKind::InvalidId => (
                "invalid-id",
                StatusCode::BAD_REQUEST,
                "Invalid id",
                "An id is a string of 1 to 512 bytes of UTF-8. `index` says which one is not.",
            ),
            ProblemKind::EmptyBatch => (
                "empty-batch",
                StatusCode::BAD_REQUEST,
                "Empty batch",
                "The request holds no vector, or no id. Send at least one.",
            ),
            ProblemKind::InvalidK => (
                "invalid-k",
                StatusCode::BAD_REQUEST,
                "Invalid k",
                "`k`, the number of neighbours wanted, is a whole number from 1 to 10,000, \
                 without quotes. Left out, it is 5.",
            ),
            ProblemKind::InvalidPrecision => (
                "invalid-precision",
                StatusCode::BAD_REQUEST,
                "Invalid precision",
                "`precision` is \"exact\" (the default) or \"sq8\".",
            ),
            ProblemKind::InvalidConsistency => (
                "invalid-consistency",
                StatusCode::BAD_REQUEST,
                "Invalid consistency",
                "`consistency` is \"leader\" (the default), \"linearizable\" or \"any\".",
            ),
            ProblemKind::InvalidPath => (
                "invalid-path",
                StatusCode::BAD_REQUEST,
                "Invalid path",
                "The path is not percent-encoded UTF-8. Encode the id as a path segment, `/` as \
                 `%2F`.",
            ),
            ProblemKind::BodyCutShort => (
                "body-cut-short",
                StatusCode::BAD_REQUEST,
                "Body cut short",
                "The connection ended, or broke its framing, before the whole body was there. \
                 Nothing was changed; send it again.",
            ),
            ProblemKind::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "Key needed",
                "Send `Authorization: Bearer KEY` with one of the server's `api_keys`.",
            ),
            ProblemKind::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "Right missing",
                "The key is known but has not this right: searching, fetching and looking at the \
                 cluster need `read`, ingest and deletion need `write`.",
            ),
            ProblemKind::NoSuchVector => (
                "no-such-vector",
                StatusCode::NOT_FOUND,
                "No such vector",
                "Nothing is stored under this id: it was never ingested, or it was deleted.",
            ),
            ProblemKind::NoSuchNode => (
                "no-such-node",
                StatusCode::NOT_FOUND,
                "No such node",
                "No node of this kind has this id. `GET /cluster` and `vectra status` list those there \
                 are.",
            ),
            ProblemKind::NotRemovable => (
                "not-removable",
                StatusCode::CONFLICT,
                "Not removable",
                "The last coordinator cannot be taken out of a cluster, nor one that holds replicas: \
                 `vectra shard drain` empties it first.",
            ),
            ProblemKind::NoSuchPath => (
                "no-such-path",
                StatusCode::NOT_FOUND,
                "No such path",
                "The API has no such path. `/docs` shows all there are. A shard node answers \
                 `/health` only: ask a coordinator.",
            ),
            ProblemKind::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "The path exists but takes another method; the header `Allow` names it.",
            ),
            ProblemKind::LengthRequired => (
                "length-required",
                StatusCode::LENGTH_REQUIRED,
                "Length required",
                "An HTTP/1.1 request with a body says how long it is, by `Content-Length` or by \
                 `Transfer-Encoding: chunked`.",
            ),
            ProblemKind::BodyTooLarge => (
                "body-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Body too large",
                "The body is longer than `http.max_body`, whose bytes `limit` gives. Send \
                 smaller batches, or raise it in the configuration.",
            ),
            ProblemKind::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "Send JSON, with `Content-Type: application/json`, and not compressed. `/ingest` takes \
                 binary vectors as well, as `multipart/form-data`, `application/x-npy` or, \
                 with `?dimension=D`, `application/octet-stream`.",
            ),
            ProblemKind::Overloaded => (
                "overloaded",
                StatusCode::TOO_MANY_REQUESTS,
                "Overloaded",
                "More is under way than the server takes on at once, and it sheds load rather \
                 than queue without bound. Nothing was changed. Wait for as many seconds as \
                 `Retry-After` says, and send fewer requests at once.",
            ),
            ProblemKind::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal error",
                "A fault of the server or of its disk. Its log says more. A write that was \
                 answered so may or may not have taken place; repeating it is harmless.",
            ),
            ProblemKind::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                "`shards` have no quorum that can write, or no replica that can answer. Nothing \
                 was changed on them. Try again after `Retry-After` seconds. A search with \
                 `\"allow_partial\": true` is answered without them.",
            ),
            ProblemKind::OutcomeUnknown => (
                "outcome-unknown",
                StatusCode::SERVICE_UNAVAILABLE,
                "Outcome unknown",
                "The write was sent to `shards` and lost sight of: each id is the old vector or \
                 the new one, on all replicas, never half of one. Repeating the request is \
                 harmless, and settles it.",
            ),
            ProblemKind::Deadline => (
                "deadline",
                StatusCode::GATEWAY_TIMEOUT,
                "Deadline passed",
                "The request took longer than `http.timeout`, the sending of its body included. \
                 A write may or may not have taken place; repeating it is harmless.",
            ),
            ProblemKind::OverBudget => (
                "over-budget",
                StatusCode::INSUFFICIENT_STORAGE,
                "Over budget",
                "The write would exceed the memory budget or the disk reserve. Searches and \
                 deletions still work: delete, raise `memory_budget`, or add nodes.",
            ),
        };
        Description {
            slug,
            status,
            title,
            remedy,
        }
    }
}
