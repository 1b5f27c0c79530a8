//! Every refusal and failure as `application/problem+json` (RFC 9457).

use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem_kind::ProblemKind;
use crate::root::RootError;

/// The media type of every error.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What is wrong with a request, or went wrong with it. Boxed, so that results stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    kind: ProblemKind,
    document: Box<ProblemDocument>,
}

/// An error, as RFC 9457 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/docs/errors#wrong-dimension",
    "title": "Wrong dimension",
    "status": 400,
    "detail": "vectors[1] has 2 values, the vectors before it have 3",
    "index": 1,
    "expected": 3,
    "got": 2
}))]
pub(crate) struct ProblemDocument {
    /// Which error this is: a stable reference into the documentation.
    #[serde(rename = "type")]
    reference: String,
    /// The error's name.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, where, and what to change.
    detail: String,
    /// Which vector or id of the request, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// Which value of the vector, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// The id concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    /// What was found instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<u64>,
    /// The line of the body, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// The character in that line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    /// The byte of the body, or of the part that `detail` names, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    /// The shards concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<Vec<u64>>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let description = kind.describe();
        Problem {
            kind,
            document: Box::new(ProblemDocument {
                reference: format!("/docs/errors#{}", description.slug),
                title: description.title,
                status: description.status.as_u16(),
                detail: detail.into(),
                index: None,
                position: None,
                id: None,
                expected: None,
                got: None,
                line: None,
                column: None,
                byte: None,
                shards: None,
                limit: None,
            }),
        }
    }

    pub(crate) fn index(mut self, index: usize) -> Self {
        self.document.index = Some(index as u64);
        self
    }

    pub(crate) fn position(mut self, position: usize) -> Self {
        self.document.position = Some(position as u64);
        self
    }

    pub(crate) fn id(mut self, id: impl Into<String>) -> Self {
        self.document.id = Some(id.into());
        self
    }

    pub(crate) fn expected(mut self, expected: usize) -> Self {
        self.document.expected = Some(expected as u64);
        self
    }

    pub(crate) fn got(mut self, got: usize) -> Self {
        self.document.got = Some(got as u64);
        self
    }

    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.document.line = Some(line as u64);
        self.document.column = Some(column as u64);
        self
    }

    pub(crate) fn byte(mut self, byte: usize) -> Self {
        self.document.byte = Some(byte as u64);
        self
    }

    pub(crate) fn shards(mut self, shards: Vec<u64>) -> Self {
        self.document.shards = Some(shards);
        self
    }

    pub(crate) fn limit(mut self, limit: u64) -> Self {
        self.document.limit = Some(limit);
        self
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    #[cfg(test)]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.document).unwrap()
    }
}

/// The one place where the engine's errors become statuses.
impl From<RootError> for Problem {
    fn from(error: RootError) -> Self {
        let detail = error.to_string();
        match error {
            RootError::WrongDimension { expected, got } => {
                Problem::new(ProblemKind::WrongDimension, detail)
                    .expected(expected)
                    .got(got)
            }
            RootError::Unavailable { shards, .. } => {
                let detail = format!("{detail}; nothing was changed on them, so try again");
                Problem::new(ProblemKind::Unavailable, detail).shards(shards)
            }
            RootError::OutcomeUnknown { shards, .. } => {
                let detail = format!(
                    "{detail}; each id of these shards is the old vector or the new one, and \
                     repeating the request is harmless"
                );
                Problem::new(ProblemKind::OutcomeUnknown, detail).shards(shards)
            }
            RootError::NoSuchNode(_) => Problem::new(ProblemKind::NoSuchNode, detail),
            RootError::NotRemovable(_) => Problem::new(ProblemKind::NotRemovable, detail),
            RootError::Deadline(_) => Problem::new(ProblemKind::Deadline, detail),
            RootError::Overloaded(_) => Problem::new(ProblemKind::Overloaded, detail),
            RootError::OverBudget(_) => Problem::new(ProblemKind::OverBudget, detail),
            RootError::Internal(_) => Problem::new(ProblemKind::Internal, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.describe().status;
        match self.kind {
            ProblemKind::Internal => tracing::error!(detail = %self.document.detail, "a fault"),
            _ if status.is_server_error() => {
                tracing::debug!(%status, detail = %self.document.detail, "not served");
            }
            _ => {}
        }
        // Cannot fail: texts and numbers only.
        let body = serde_json::to_vec(&self.document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.kind.is_worth_retrying() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.kind == ProblemKind::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"vectra\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn status_and_json(error: RootError) -> (Response, serde_json::Value) {
        let problem = Problem::from(error);
        let json = problem.json();
        (problem.into_response(), json)
    }

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let reason = || "shard 7 has no quorum".to_owned();
        let cases = [
            (
                RootError::WrongDimension {
                    expected: 3,
                    got: 4,
                },
                400,
                false,
            ),
            (
                RootError::Unavailable {
                    shards: vec![7],
                    reason: reason(),
                },
                503,
                true,
            ),
            (
                RootError::OutcomeUnknown {
                    shards: vec![7],
                    reason: reason(),
                },
                503,
                true,
            ),
            (RootError::Deadline(Duration::from_secs(30)), 504, false),
            (RootError::Overloaded(reason()), 429, true),
            (RootError::OverBudget(reason()), 507, false),
            (RootError::Internal(reason()), 500, false),
        ];
        for (error, status, retried) in cases {
            let (response, json) = status_and_json(error);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(json["status"], status);
            assert_eq!(
                response.headers().contains_key(RETRY_AFTER),
                retried,
                "{json}"
            );
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        }
    }

    #[test]
    fn a_write_lost_sight_of_says_what_is_known() {
        let reason = "the leader went away".to_owned();
        let (_, json) = status_and_json(RootError::OutcomeUnknown {
            shards: vec![3],
            reason,
        });
        assert_eq!(json["shards"], serde_json::json!([3]));
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.contains("the old vector or the new one"), "{detail}");
        assert!(
            detail.contains("repeating the request is harmless"),
            "{detail}"
        );
    }

    #[test]
    fn fields_that_say_nothing_are_left_out() {
        let json = Problem::new(ProblemKind::Internal, "x").json();
        assert_eq!(json.as_object().unwrap().len(), 4, "{json}");
    }
}
