//! The vectors of an ingest, in whatever form they came, and their ids.

use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::root::IngestBatch;

/// Vectors of one dimension, one after the other; every value finite.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) count: usize,
    pub(super) dimension: usize,
    /// `count × dimension` values.
    pub(super) values: Vec<f32>,
}

impl Rows {
    /// The batch to store. Refuses counts that differ, no vector at all, and vectors of zeros.
    pub(super) fn with_ids(self, ids: Vec<String>) -> Result<IngestBatch, Problem> {
        if ids.len() != self.count {
            let detail = format!(
                "{} vectors but {} ids; each vector needs one id of its own",
                self.count,
                ids.len()
            );
            return Err(Problem::new(ProblemKind::CountMismatch, detail)
                .expected(self.count)
                .got(ids.len()));
        }
        if self.count == 0 {
            let detail = "vectors and ids are empty; send at least one vector";
            return Err(Problem::new(ProblemKind::EmptyBatch, detail));
        }
        refuse_zero_vectors(&self.values, self.dimension, &ids)?;
        Ok(IngestBatch {
            ids,
            dimension: self.dimension,
            vectors: self.values,
        })
    }
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
