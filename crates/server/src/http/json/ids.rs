//! Arrays of ids.

use std::fmt::Display;

use super::scanner::Scanner;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// The longest id, in bytes of UTF-8.
pub(crate) const MAX_ID: usize = 512;

/// Reads an array of ids that is a text of its own.
pub(in crate::http) fn parse_ids(text: &[u8]) -> Result<Vec<String>, Problem> {
    let mut scanner = Scanner::new(text)?;
    let ids = scanner.ids()?;
    scanner.end()?;
    Ok(ids)
}

impl Scanner<'_> {
    /// Reads `"ids": […]`, each id checked.
    pub(super) fn ids(&mut self) -> Result<Vec<String>, Problem> {
        if self.peek() != Some(b'[') {
            return Err(self.wrong_type("ids", "an array of strings"));
        }
        let mut ids = Vec::new();
        self.array(|scanner, index| {
            ids.push(scanner.id(index)?);
            Ok(())
        })?;
        Ok(ids)
    }

    fn id(&mut self, index: usize) -> Result<String, Problem> {
        match self.peek() {
            Some(b'"') => {}
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                let (line, column) = self.position(number.start);
                let text = super::fields::shortened(self.text_of(&number));
                let detail = format!(
                    "line {line}, column {column}: ids[{index}] must be a string, not a number; \
                     quote it: \"{text}\""
                );
                let problem = Problem::new(ProblemKind::WrongType, detail);
                return Err(problem.index(index).at(line, column));
            }
            _ => {
                let what = format!("ids[{index}]");
                return Err(self.wrong_type(&what, "a string in quotes").index(index));
            }
        }
        let id = self.string()?;
        check_id(&id, format_args!("ids[{index}]")).map_err(|problem| problem.index(index))?;
        Ok(id.into_owned())
    }
}

/// Checks the length of an id; `what` names it.
pub(crate) fn check_id(id: &str, what: impl Display) -> Result<(), Problem> {
    if id.is_empty() {
        let detail = format!("{what} is empty; an id has 1 to {MAX_ID} bytes");
        return Err(Problem::new(ProblemKind::InvalidId, detail).got(0));
    }
    if id.len() > MAX_ID {
        let bytes = id.len();
        let detail = format!("{what} has {bytes} bytes of UTF-8; an id has at most {MAX_ID}");
        let problem = Problem::new(ProblemKind::InvalidId, detail);
        return Err(problem.got(bytes).limit(MAX_ID as u64));
    }
    Ok(())
}
