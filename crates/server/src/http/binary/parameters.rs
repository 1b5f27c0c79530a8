//! The query of a binary ingest: `?dimension=128&first_id=0`.

use crate::config::MAX_DIMENSION;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// What the query says; nothing of it need be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Values in a row of raw float32.
    pub(super) dimension: Option<usize>,
    /// The first vector's id, where row numbers are the ids.
    pub(super) first_id: Option<u64>,
}

impl Parameters {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_repeated = match name {
                "dimension" => parameters.dimension.replace(dimension(value)?).is_some(),
                "first_id" => parameters.first_id.replace(first_id(value)?).is_some(),
                _ => {
                    return Err(invalid(format!(
                        "there is no parameter {name:?}; binary vectors take dimension and first_id"
                    )));
                }
            };
            if is_repeated {
                return Err(invalid(format!("the parameter {name} is given twice")));
            }
        }
        Ok(parameters)
    }
}

fn dimension(value: &str) -> Result<usize, Problem> {
    let dimension = number(value).and_then(|number| usize::try_from(number).ok());
    dimension
        .filter(|dimension| (1..=MAX_DIMENSION).contains(dimension))
        .ok_or_else(|| {
            let detail = format!(
                "dimension must be a whole number from 1 to {MAX_DIMENSION}, not {value:?}"
            );
            invalid(detail).limit(MAX_DIMENSION as u64)
        })
}

fn first_id(value: &str) -> Result<u64, Problem> {
    number(value).ok_or_else(|| {
        invalid(format!(
            "first_id must be a whole number from 0 to {}, not {value:?}; other ids go into the \
             part \"ids\" of a multipart/form-data body",
            u64::MAX
        ))
    })
}

/// Digits only: `parse` alone would take a plus.
fn number(value: &str) -> Option<u64> {
    let has_digits_only = value.bytes().all(|byte| byte.is_ascii_digit());
    has_digits_only.then(|| value.parse().ok()).flatten()
}

pub(super) fn invalid(detail: String) -> Problem {
    Problem::new(ProblemKind::InvalidParameter, detail)
}
