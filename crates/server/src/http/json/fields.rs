//! Objects and arrays: the frames around the values.

use super::scanner::Scanner;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

impl Scanner<'_> {
    /// Reads the one object of a body. `visit` reads the value of the field with the given index
    /// into `known`; unknown and repeated fields are refused.
    pub(super) fn object(
        &mut self,
        known: &[&str],
        mut visit: impl FnMut(&mut Self, usize) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong_type("the body", "a JSON object"));
        }
        self.expect(b'{', "{")?;
        let mut seen = vec![false; known.len()];
        if !self.take(b'}') {
            loop {
                let field = self.field(known, &mut seen)?;
                self.expect(b':', "':'")?;
                visit(self, field)?;
                if self.take(b'}') {
                    break;
                }
                self.expect(b',', "',' or '}'")?;
            }
        }
        self.end()
    }

    fn field(&mut self, known: &[&str], seen: &mut [bool]) -> Result<usize, Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("the name of a field in quotes"));
        }
        let start = self.offset();
        let name = self.string()?;
        let Some(index) = known.iter().position(|field| *field == name) else {
            let (line, column) = self.position(start);
            let detail = format!(
                "line {line}, column {column}: there is no field {:?}; this request takes {}",
                shortened(&name),
                known.join(", ")
            );
            return Err(Problem::new(ProblemKind::UnknownField, detail).at(line, column));
        };
        match seen.get_mut(index) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                let (line, column) = self.position(start);
                let detail =
                    format!("line {line}, column {column}: the field {name:?} is given twice");
                return Err(Problem::new(ProblemKind::DuplicateField, detail).at(line, column));
            }
        }
        Ok(index)
    }

    /// Reads an array; `visit` reads the element with the given index.
    pub(super) fn array(
        &mut self,
        mut visit: impl FnMut(&mut Self, usize) -> Result<(), Problem>,
    ) -> Result<usize, Problem> {
        self.expect(b'[', "'['")?;
        if self.take(b']') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            visit(self, count)?;
            count += 1;
            if self.take(b']') {
                return Ok(count);
            }
            self.expect(b',', "',' or ']'")?;
        }
    }
}

/// A field that the request needs and has not.
pub(super) fn missing(field: &str, fields: &[&str]) -> Problem {
    let detail = format!(
        "the field {field:?} is missing; this request takes {}",
        fields.join(", ")
    );
    Problem::new(ProblemKind::MissingField, detail)
}

/// The beginning of a text that may be very long.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
