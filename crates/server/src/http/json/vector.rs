//! Arrays of numbers, read into flat float32.

use super::scanner::Scanner;
use crate::config::MAX_DIMENSION;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// The most digits whose every number a float32 holds exactly: 10^7 < 2^24.
const EXACT_DIGITS: usize = 7;

/// Which vector of a request is read, for messages.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// `vector`, the only one.
    Query,
    /// `vectors[i]`.
    Row(usize),
}

impl Place {
    pub(super) fn name(self) -> String {
        match self {
            Place::Query => "vector".to_owned(),
            Place::Row(index) => format!("vectors[{index}]"),
        }
    }

    /// Adds the index of the vector where there are several.
    pub(super) fn mark(self, problem: Problem) -> Problem {
        match self {
            Place::Query => problem,
            Place::Row(index) => problem.index(index),
        }
    }
}

impl Scanner<'_> {
    /// Reads an array of numbers, appends them and returns how many there were, at least 1 and at
    /// most [`MAX_DIMENSION`].
    pub(super) fn vector(&mut self, place: Place, out: &mut Vec<f32>) -> Result<usize, Problem> {
        if self.peek() != Some(b'[') {
            let problem = self.wrong_type(&place.name(), "an array of numbers");
            return Err(place.mark(problem));
        }
        let dimension = self.array(|scanner, position| {
            let value = scanner.value(place, position)?;
            // What is too long is counted to its end but not kept.
            if position < MAX_DIMENSION {
                out.push(value);
            }
            Ok(())
        })?;
        if dimension == 0 {
            let detail = format!("{} has no values; a vector has at least one", place.name());
            let problem = Problem::new(ProblemKind::WrongDimension, detail).got(0);
            return Err(place.mark(problem));
        }
        if dimension > MAX_DIMENSION {
            let detail = format!(
                "{} has {dimension} values; a vector has at most {MAX_DIMENSION}",
                place.name()
            );
            let problem = Problem::new(ProblemKind::WrongDimension, detail)
                .got(dimension)
                .limit(MAX_DIMENSION as u64);
            return Err(place.mark(problem));
        }
        Ok(dimension)
    }

    #[inline]
    fn value(&mut self, place: Place, position: usize) -> Result<f32, Problem> {
        if !self.is_at_number() {
            return Err(self.not_a_number(place, position));
        }
        let number = self.number()?;
        let value = if number.is_integer && number.text.len() <= EXACT_DIGITS {
            small_integer(number.text)
        } else {
            // The grammar of JSON is a part of Rust's, which rounds to the nearest float32.
            number.text.parse::<f32>().unwrap_or(f32::NAN)
        };
        if value.is_finite() {
            return Ok(value);
        }
        let (line, column) = self.position(number.start);
        let detail = format!(
            "line {line}, column {column}: {}[{position}] is {}, which a 32-bit float cannot hold; \
             values must be finite and below 3.4e38",
            place.name(),
            super::fields::shortened(number.text)
        );
        Err(place.mark(not_finite(detail, position).at(line, column)))
    }

    #[cold]
    fn not_a_number(&mut self, place: Place, position: usize) -> Problem {
        let what = format!("{}[{position}]", place.name());
        if self.is_at_non_finite() {
            let (line, column) = self.position(self.offset());
            let detail = format!(
                "line {line}, column {column}: {what} is not a finite number, and JSON has no \
                 name for such a value; leave the vector out or repair it"
            );
            return place.mark(not_finite(detail, position).at(line, column));
        }
        if self.peek() == Some(b'-') {
            return self.malformed(&format!(
                "{what} to be a number, so a digit after its minus"
            ));
        }
        place.mark(self.wrong_type(&what, "a number").position(position))
    }
}

fn not_finite(detail: String, position: usize) -> Problem {
    Problem::new(ProblemKind::NotFinite, detail).position(position)
}

/// The float32 of few digits, perhaps with a minus. `-0` is the negative zero.
#[inline]
fn small_integer(text: &str) -> f32 {
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1.0),
        None => (text, 1.0),
    };
    let whole = digits
        .bytes()
        .fold(0_u32, |whole, digit| whole * 10 + u32::from(digit - b'0'));
    whole as f32 * sign
}
