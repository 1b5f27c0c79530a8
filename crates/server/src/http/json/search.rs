//! `{"vector": […], "k": 5, "precision": "exact", "consistency": "leader", "allow_partial": false}`

use super::fields::{missing, shortened};
use super::scanner::Scanner;
use super::vector::Place;
use crate::http::consistency;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::root::{Consistency, Precision, SearchQuery};

/// How many neighbours a search returns unless it says.
pub(in crate::http) const DEFAULT_K: usize = 5;

/// The most neighbours a search may ask for.
pub(in crate::http) const MAX_K: usize = 10_000;

const FIELDS: [&str; 5] = ["vector", "k", "precision", "consistency", "allow_partial"];
const VECTOR: usize = 0;
const K: usize = 1;
const PRECISION: usize = 2;
const CONSISTENCY: usize = 3;

/// Reads the body of `POST /search`.
pub(in crate::http) fn parse_search(body: &[u8]) -> Result<SearchQuery, Problem> {
    let mut vector = None;
    let mut k = DEFAULT_K;
    let mut precision = Precision::default();
    let mut consistency = Consistency::default();
    let mut allow_partial = false;
    Scanner::new(body)?.object(&FIELDS, |scanner, field| {
        match field {
            VECTOR => {
                let mut values = Vec::new();
                scanner.vector(Place::Query, &mut values)?;
                vector = Some(values);
            }
            K => k = scanner.k()?,
            PRECISION => precision = scanner.precision()?,
            CONSISTENCY => consistency = scanner.consistency()?,
            _ => allow_partial = scanner.boolean("allow_partial")?,
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
        consistency,
        allow_partial,
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
        const WORDS: &str = "\"exact\" or \"sq8\"";
        let from_word = |word: &str| match word {
            "exact" => Some(Precision::Exact),
            "sq8" => Some(Precision::Sq8),
            _ => None,
        };
        self.word("precision", WORDS, ProblemKind::InvalidPrecision, from_word)
    }

    fn consistency(&mut self) -> Result<Consistency, Problem> {
        let kind = ProblemKind::InvalidConsistency;
        self.word(
            "consistency",
            consistency::WORDS,
            kind,
            consistency::from_word,
        )
    }

    fn boolean(&mut self, field: &str) -> Result<bool, Problem> {
        self.peek();
        let start = self.offset();
        for (text, value) in [("true", true), ("false", false)] {
            let end = start + text.len();
            if self.text_between(start, end) == text {
                self.skip_to(end);
                return Ok(value);
            }
        }
        Err(self.wrong_type(field, "true or false"))
    }

    /// Reads one of a few words in quotes.
    fn word<T>(
        &mut self,
        field: &str,
        words: &str,
        kind: ProblemKind,
        from_word: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong_type(field, words));
        }
        let start = self.offset();
        let word = self.string()?;
        from_word(&word).ok_or_else(|| {
            let (line, column) = self.position(start);
            let detail = format!(
                "line {line}, column {column}: {field} must be {words}, not {:?}",
                shortened(&word)
            );
            Problem::new(kind, detail).at(line, column)
        })
    }
}
