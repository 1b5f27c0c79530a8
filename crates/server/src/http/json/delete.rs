//! `{"ids": ["…",…]}`

use super::fields::missing;
use super::scanner::Scanner;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

const FIELDS: [&str; 1] = ["ids"];

/// Reads the body of `POST /delete`.
pub(in crate::http) fn parse_delete(body: &[u8]) -> Result<Vec<String>, Problem> {
    let mut ids = None;
    Scanner::new(body)?.object(&FIELDS, |scanner, _| {
        ids = Some(scanner.ids()?);
        Ok(())
    })?;
    let ids = ids.ok_or_else(|| missing("ids", &FIELDS))?;
    if ids.is_empty() {
        let detail = "ids is empty; send at least one id";
        return Err(Problem::new(ProblemKind::EmptyBatch, detail));
    }
    Ok(ids)
}
