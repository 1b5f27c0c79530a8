//! `{"vector": […], "k": 5, "precision": "exact"}`

use super::fields::{missing, shortened};
use super::scanner::Scanner;
use super::vector::Place;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::root::{Precision, SearchQuery};

/// How many neighbours a search returns unless it says.
pub(in crate::http) const DEFAULT_K: usize = 5;

/// The most neighbours a search may ask for.
pub(in crate::http) const MAX_K: usize = 10_000;

const FIELDS: [&str; 3] = ["vector", "k", "precision"];
const VECTOR: usize = 0;
const K: usize = 1;

/// Reads the body of `POST /search`.
pub(in crate::http) fn parse_search(body: &[u8]) -> Result<SearchQuery, Problem> {
    let mut vector = None;
    let mut k = DEFAULT_K;
    let mut precision = Precision::default();
    Scanner::new(body)?.object(&FIELDS, |scanner, field| {
        match field {
            VECTOR => {
                let mut values = Vec::new();
                scanner.vector(Place::Query, &mut values)?;
                vector = Some(values);
            }
            K => k = scanner.k()?,
            _ => precision = scanner.precision()?,
        }
        Ok(())
    })?;
    let vector = vector.ok_or_else(|| missing("vector", &FIELDS))?;
    if vector.iter().all(|value| *value == 0.0) {
        let detail = "vector is all zeros in 32-bit floats, so it has no direction to compare";
        return Err(Problem::new(ProblemKind::ZeroVector, detail));
    }
    Ok(SearchQuery {
        vector,
        k,
        precision,
    })
}

impl Scanner<'_> {
    fn k(&mut self) -> Result<usize, Problem> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            let must_be = format!("a whole number from 1 to {MAX_K}, without quotes");
            let found = self.found();
            let (line, column) = self.position(self.offset());
            if matches!(found, "the end of the body" | "something that is not JSON") {
                return Err(self.wrong_type("k", &must_be));
            }
            let detail = format!("k must be {must_be}, not {found}");
            return Err(Problem::new(ProblemKind::InvalidK, detail).at(line, column));
        }
        let number = self.number()?;
        let allowed = 1..=MAX_K;
        let k = if number.is_integer {
            self.text_of(&number).parse().ok()
        } else {
            None
        };
        k.filter(|k| allowed.contains(k)).ok_or_else(|| {
            let (line, column) = self.position(number.start);
            let detail = format!(
                "k must be a whole number from 1 to {MAX_K}, not {}",
                shortened(self.text_of(&number))
            );
            Problem::new(ProblemKind::InvalidK, detail)
                .at(line, column)
                .limit(MAX_K as u64)
        })
    }

    fn precision(&mut self) -> Result<Precision, Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong_type("precision", "\"exact\" or \"sq8\""));
        }
        let start = self.offset();
        match self.string()?.as_ref() {
            "exact" => Ok(Precision::Exact),
            "sq8" => Ok(Precision::Sq8),
            other => {
                let (line, column) = self.position(start);
                let detail = format!(
                    "line {line}, column {column}: precision must be \"exact\" or \"sq8\", not {:?}",
                    shortened(other)
                );
                Err(Problem::new(ProblemKind::InvalidPrecision, detail).at(line, column))
            }
        }
    }
}
