//! `{"vectors": [[…],…], "ids": ["…",…]}`

use super::fields::missing;
use super::scanner::Scanner;
use super::vector::Place;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::http::rows::Rows;
use crate::root::IngestBatch;

const FIELDS: [&str; 2] = ["vectors", "ids"];
const VECTORS: usize = 0;

/// Reads the body of `POST /ingest`.
pub(in crate::http) fn parse_ingest(body: &[u8]) -> Result<IngestBatch, Problem> {
    let mut rows = None;
    let mut ids = None;
    Scanner::new(body)?.object(&FIELDS, |scanner, field| {
        match field {
            VECTORS => rows = Some(scanner.rows()?),
            _ => ids = Some(scanner.ids()?),
        }
        Ok(())
    })?;
    let rows = rows.ok_or_else(|| missing("vectors", &FIELDS))?;
    let ids = ids.ok_or_else(|| missing("ids", &FIELDS))?;
    rows.with_ids(ids)
}

impl Scanner<'_> {
    fn rows(&mut self) -> Result<Rows, Problem> {
        if self.peek() != Some(b'[') {
            return Err(self.wrong_type("vectors", "an array of arrays of numbers"));
        }
        let mut rows = Rows::default();
        let start = self.offset();
        rows.count = self.array(|scanner, index| {
            let dimension = scanner.vector(Place::Row(index), &mut rows.values)?;
            if index == 0 {
                rows.dimension = dimension;
                // The first row says how many bytes a row takes, so how many rows may follow.
                let row_bytes = (scanner.offset() - start).max(1);
                rows.values
                    .reserve(scanner.remaining() / row_bytes * dimension);
            } else if dimension != rows.dimension {
                return Err(uneven(index, rows.dimension, dimension));
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

fn uneven(index: usize, expected: usize, got: usize) -> Problem {
    let detail =
        format!("vectors[{index}] has {got} values, the vectors before it have {expected}");
    Problem::new(ProblemKind::WrongDimension, detail)
        .index(index)
        .expected(expected)
        .got(got)
}
