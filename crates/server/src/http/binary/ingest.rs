//! What form the body of an ingest has, by its head, and how it is read.

use axum::http::request;

use super::form::{Form, boundary};
use super::ids::{read_ids, row_numbers};
use super::parameters::{Parameters, invalid};
use super::vectors::VectorFormat;
use crate::http::header_value::HeaderValue;
use crate::http::json::parse_ingest;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::root::IngestBatch;

/// The form of a body of `POST /ingest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum IngestFormat {
    /// Vectors and ids as JSON.
    Json,
    /// Nothing but vectors; row numbers are the ids.
    Vectors { format: VectorFormat, first_id: u64 },
    /// A form of vectors and ids, which row numbers can be in place of.
    Form {
        boundary: String,
        format: VectorFormat,
        first_id: Option<u64>,
    },
}

impl IngestFormat {
    /// What the head of a request says.
    pub(in crate::http) fn of(parts: &request::Parts) -> Result<Self, Problem> {
        let Some(media_type) = HeaderValue::content_type(&parts.headers) else {
            return Ok(IngestFormat::Json);
        };
        if media_type.is_json() {
            return Ok(IngestFormat::Json);
        }
        let parameters = || Parameters::parse(parts.uri.query().unwrap_or_default());
        match media_type.essence.as_str() {
            "multipart/form-data" => {
                let Parameters {
                    dimension,
                    first_id,
                } = parameters()?;
                Ok(IngestFormat::Form {
                    boundary: boundary(&media_type)?,
                    format: dimension.map_or(VectorFormat::Npy, |dimension| VectorFormat::Floats {
                        dimension,
                    }),
                    first_id,
                })
            }
            "application/x-npy" => {
                let parameters = parameters()?;
                if parameters.dimension.is_some() {
                    let detail = "a .npy file says its own dimension; leave out the parameter \
                                  dimension, or send raw float32 as application/octet-stream";
                    return Err(invalid(detail.to_owned()));
                }
                Ok(IngestFormat::Vectors {
                    format: VectorFormat::Npy,
                    first_id: needed_first_id(parameters)?,
                })
            }
            "application/octet-stream" => {
                let parameters = parameters()?;
                // Without a dimension these are bytes of any kind.
                let dimension = parameters
                    .dimension
                    .ok_or_else(|| unsupported(&media_type))?;
                Ok(IngestFormat::Vectors {
                    format: VectorFormat::Floats { dimension },
                    first_id: needed_first_id(parameters)?,
                })
            }
            _ => Err(unsupported(&media_type)),
        }
    }

    /// Reads the body.
    pub(in crate::http) fn parse(self, body: &[u8]) -> Result<IngestBatch, Problem> {
        match self {
            IngestFormat::Json => parse_ingest(body),
            IngestFormat::Vectors { format, first_id } => {
                let rows = format.read(body)?;
                let ids = row_numbers(first_id, rows.count)?;
                rows.with_ids(ids)
            }
            IngestFormat::Form {
                boundary,
                format,
                first_id,
            } => parse_form(&Form::parse(body, &boundary)?, format, first_id),
        }
    }
}

fn unsupported(media_type: &HeaderValue<'_>) -> Problem {
    let detail = format!(
        "the body is {:?}; send JSON with Content-Type: application/json, a .npy file as \
         application/x-npy, raw float32 as application/octet-stream with ?dimension=D, or vectors \
         and ids as multipart/form-data",
        media_type.essence
    );
    Problem::new(ProblemKind::UnsupportedMediaType, detail)
}

fn needed_first_id(parameters: Parameters) -> Result<u64, Problem> {
    parameters.first_id.ok_or_else(|| {
        let detail = "vectors alone need ?first_id=N, so that row numbers from N on become the \
                      ids; send other ids beside them as multipart/form-data";
        invalid(detail.to_owned())
    })
}

fn parse_form(
    form: &Form<'_>,
    format: VectorFormat,
    first_id: Option<u64>,
) -> Result<IngestBatch, Problem> {
    let Some(vectors) = &form.vectors else {
        let detail = "the part \"vectors\" is missing; this form takes vectors and ids";
        return Err(Problem::new(ProblemKind::MissingField, detail));
    };
    match (&form.ids, first_id) {
        (Some(part), None) => {
            // The ids first: they are quicker to find wrong.
            let ids = read_ids(part)?;
            format.read(vectors.content)?.with_ids(ids)
        }
        (None, Some(first_id)) => {
            let rows = format.read(vectors.content)?;
            let ids = row_numbers(first_id, rows.count)?;
            rows.with_ids(ids)
        }
        (None, None) => {
            let detail = "the part \"ids\" is missing; send one id a line, or ?first_id=N for row \
                          numbers from N on";
            Err(Problem::new(ProblemKind::MissingField, detail))
        }
        (Some(_), Some(_)) => Err(invalid(
            "the ids are given twice, as the part \"ids\" and by first_id; leave one out"
                .to_owned(),
        )),
    }
}
