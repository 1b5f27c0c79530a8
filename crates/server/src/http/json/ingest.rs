//! `{"vectors": [[…],…], "ids": ["…",…]}`

use super::fields::missing;
use super::scanner::Scanner;
use super::vector::Place;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
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
    let Rows {
        count,
        dimension,
        values,
    } = rows.ok_or_else(|| missing("vectors", &FIELDS))?;
    let ids = ids.ok_or_else(|| missing("ids", &FIELDS))?;
    if ids.len() != count {
        let detail = format!(
            "{count} vectors but {} ids; each vector needs one id of its own",
            ids.len()
        );
        return Err(Problem::new(ProblemKind::CountMismatch, detail)
            .expected(count)
            .got(ids.len()));
    }
    if count == 0 {
        let detail = "vectors and ids are empty; send at least one vector";
        return Err(Problem::new(ProblemKind::EmptyBatch, detail));
    }
    refuse_zero_vectors(&values, dimension, &ids)?;
    Ok(IngestBatch {
        ids,
        dimension,
        vectors: values,
    })
}

/// Vectors of one dimension, one after the other.
#[derive(Default)]
struct Rows {
    count: usize,
    dimension: usize,
    values: Vec<f32>,
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

/// Under cosine a vector needs a direction.
fn refuse_zero_vectors(values: &[f32], dimension: usize, ids: &[String]) -> Result<(), Problem> {
    let is_zero = |row: &[f32]| row.iter().all(|value| *value == 0.0);
    let Some(index) = values.chunks_exact(dimension).position(is_zero) else {
        return Ok(());
    };
    let detail = format!(
        "vectors[{index}] is all zeros in 32-bit floats, so it has no direction to compare; leave \
         it out"
    );
    let problem = Problem::new(ProblemKind::ZeroVector, detail).index(index);
    Err(match ids.get(index) {
        Some(id) => problem.id(id),
        None => problem,
    })
}
