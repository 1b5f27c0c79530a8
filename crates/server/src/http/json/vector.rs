//! Arrays of numbers, read into flat float32.

use super::fields::shortened;
use super::number::Number;
use super::scanner::Scanner;
use crate::config::MAX_DIMENSION;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

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
        let dimension = self.values(place, out)?;
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

    /// Reads the array itself. Like `array`, but the loop in which servers spend their ingests.
    fn values(&mut self, place: Place, out: &mut Vec<f32>) -> Result<usize, Problem> {
        self.expect(b'[', "'['")?;
        if self.take(b']') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            let value = self.value(place, count)?;
            // What is too long is counted to its end but not kept.
            if count < MAX_DIMENSION {
                out.push(value);
            }
            count += 1;
            match self.peek() {
                Some(b',') => self.skip_to(self.offset() + 1),
                Some(b']') => {
                    self.skip_to(self.offset() + 1);
                    return Ok(count);
                }
                _ => return Err(self.malformed("',' or ']'")),
            }
        }
    }

    #[inline]
    fn value(&mut self, place: Place, position: usize) -> Result<f32, Problem> {
        if !self.is_at_number() {
            return Err(self.not_a_number(place, position));
        }
        let number = self.number()?;
        let value = self.nearest_f32(&number);
        if value.is_finite() {
            return Ok(value);
        }
        Err(self.beyond_float32(place, position, &number))
    }

    #[cold]
    fn beyond_float32(&self, place: Place, position: usize, number: &Number) -> Problem {
        let (line, column) = self.position(number.start);
        let detail = format!(
            "line {line}, column {column}: {}[{position}] is {}, which a 32-bit float cannot hold; \
             values must be finite and below 3.4e38",
            place.name(),
            shortened(self.text_of(number))
        );
        place.mark(not_finite(detail, position).at(line, column))
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
