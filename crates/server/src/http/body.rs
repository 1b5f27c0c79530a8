//! Reads a request's body under its limits, and parses it without holding up the runtime.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HeaderMap, TRANSFER_ENCODING};
use axum::http::{Version, request};
use futures::StreamExt;

use super::admission::{Admission, BodyBytes};
use super::header_value::HeaderValue;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::config::write_size;

/// Bodies up to this many bytes are parsed where they are; it takes well under a millisecond.
const SHORT_BODY: usize = 64 << 10;

/// What a body may grow by at a time, as a multiple of what has come: memory is taken for what was
/// sent, not for what was announced.
const GROWTH: usize = 4;

/// The first memory taken for a body.
const FIRST_BYTES: usize = 64 << 10;

/// How long, and for how many bytes, the rest of a refused body is still read. A client that sends
/// all before it reads would otherwise see its connection break instead of the answer.
const DRAIN_TIME: Duration = Duration::from_secs(10);
const DRAIN_BYTES: usize = 1 << 30;

/// Reads and parses the JSON body of a request. The bytes count as under way until the guard that
/// is returned beside the result is dropped.
pub(super) async fn read_json<T: Send + 'static>(
    request: Request,
    max_body: u64,
    admission: &Admission,
    parse: fn(&[u8]) -> Result<T, Problem>,
) -> Result<(T, BodyBytes), Problem> {
    let json_only = |parts: &request::Parts| match HeaderValue::content_type(&parts.headers) {
        Some(media_type) if !media_type.is_json() => {
            let detail = format!(
                "the body is {:?}; send JSON with Content-Type: application/json",
                media_type.essence
            );
            Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
        }
        _ => Ok(parse),
    };
    read_body(request, max_body, admission, json_only).await
}

/// Reads the body of a request and parses it with what `choose` finds fit for the request's head.
/// The bytes count as under way until the guard that is returned beside the result is dropped.
pub(super) async fn read_body<T, P>(
    request: Request,
    max_body: u64,
    admission: &Admission,
    choose: impl FnOnce(&request::Parts) -> Result<P, Problem>,
) -> Result<(T, BodyBytes), Problem>
where
    T: Send + 'static,
    P: FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
{
    let (parts, mut body) = request.into_parts();
    let mut counted = admission.body();
    let chosen = refuse_compressed(&parts.headers)
        .and_then(|()| choose(&parts))
        .and_then(|parse| Ok((parse, check_length(&parts, max_body)?)));
    let read = match chosen {
        Ok((parse, length)) => read_all(&mut body, length, max_body, &mut counted)
            .await
            .map(|bytes| (parse, bytes)),
        Err(problem) => Err(problem),
    };
    let (parse, bytes) = match read {
        Ok(read) => read,
        Err(problem) => {
            drain(&parts.headers, body);
            return Err(problem);
        }
    };
    if bytes.len() <= SHORT_BODY {
        return Ok((parse(&bytes)?, counted));
    }
    // Never closed.
    let permit = admission.parsers().acquire_owned().await.ok();
    let parsed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        // The guard goes along: if the deadline passes meanwhile, the bytes still count.
        parse(&bytes).map(|parsed| (parsed, counted))
    });
    parsed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "parsing a body failed");
        Err(Problem::new(
            ProblemKind::Internal,
            "parsing the body failed; the log says more",
        ))
    })
}

fn refuse_compressed(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let detail = "the body is compressed; send it plain";
            Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
        }
        _ => Ok(()),
    }
}

/// Checks what the head says about the body's length and returns the one it announces.
fn check_length(parts: &request::Parts, max_body: u64) -> Result<Option<u64>, Problem> {
    let announced = parts.headers.get(CONTENT_LENGTH);
    let length = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    if length.is_none() && !is_chunked && parts.version <= Version::HTTP_11 {
        let detail = "the request says nothing of its body's length; send it with \
                      Content-Length, or chunked";
        return Err(Problem::new(ProblemKind::LengthRequired, detail));
    }
    match length {
        Some(length) if length > max_body => Err(too_large(max_body)),
        _ => Ok(length),
    }
}

async fn read_all(
    body: &mut Body,
    announced: Option<u64>,
    max_body: u64,
    counted: &mut BodyBytes,
) -> Result<Vec<u8>, Problem> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut bytes = Vec::with_capacity(announced.unwrap_or(FIRST_BYTES).min(FIRST_BYTES));
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context)).await
    {
        let frame = frame.map_err(|error| cut_short(&error))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + chunk.len();
        if length as u64 > max_body {
            return Err(too_large(max_body));
        }
        counted.add(chunk.len() as u64)?;
        if length > bytes.capacity() {
            let wanted = length
                .saturating_mul(GROWTH)
                .min(announced.unwrap_or(usize::MAX));
            bytes.reserve_exact(wanted.max(length) - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn cut_short(error: &axum::Error) -> Problem {
    let detail = format!("the body did not arrive whole: {error}");
    Problem::new(ProblemKind::BodyCutShort, detail)
}

fn too_large(max_body: u64) -> Problem {
    let detail = format!(
        "the body is longer than http.max_body, which is {}; send smaller batches",
        write_size(max_body)
    );
    Problem::new(ProblemKind::BodyTooLarge, detail).limit(max_body)
}

/// Reads the rest of a refused body beside its answer, and throws it away.
pub(super) fn drain(headers: &HeaderMap, body: Body) {
    // Who waits for leave to send is answered before, and reading would give that leave.
    if headers.contains_key(EXPECT) || body.is_end_stream() {
        return;
    }
    let drained = async move {
        let mut chunks = body.into_data_stream();
        let mut bytes = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            bytes += chunk.len();
            if bytes > DRAIN_BYTES {
                break;
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DRAIN_TIME, drained));
}
