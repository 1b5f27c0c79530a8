//! What bounds need to know of rows as they are quantised.

use crate::arch::Sums;
use crate::blocks::BLOCK_ROWS;
use crate::encoder::Encoder;
use crate::frame::{Stage, blocks_of};
use crate::rounding::up_to_f32;

/// The norms that bounds need, as of the end of each stage.
pub(crate) struct Norms {
    stages: Vec<StageNorms>,
}

/// All of it as squares.
struct StageNorms {
    end: usize,
    residual: f64,
    code: f64,
    tails: Vec<f64>,
    /// What the dimensions of the stage add to the norm of the row that was added last.
    of_row: f64,
}

impl Norms {
    pub(crate) fn new(ends: &[usize], rows: usize) -> Self {
        let last = ends.len() - 1;
        let stage = |(number, &end): (usize, &usize)| StageNorms {
            end,
            residual: 0.0,
            code: 0.0,
            tails: vec![0.0; if number == last { 0 } else { blocks_of(rows) }],
            of_row: 0.0,
        };
        Self {
            stages: ends.iter().enumerate().map(stage).collect(),
        }
    }

    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        sums: impl Sums,
        encoder: &Encoder,
        place: usize,
        row: &[f64],
        codes: &[i8],
    ) {
        let (mut residual, mut code, mut begin) = (0.0, 0.0, 0);
        for stage in &mut self.stages {
            let part = begin..stage.end;
            let steps = &encoder.step[part.clone()];
            let added = sums.norms(&row[part.clone()], &codes[part], steps);
            residual += added[0];
            code += added[1];
            stage.residual = stage.residual.max(residual);
            stage.code = stage.code.max(code);
            stage.of_row = added[2];
            begin = stage.end;
        }
        let mut tail = 0.0;
        for stage in self.stages.iter_mut().rev() {
            if let Some(longest) = stage.tails.get_mut(place / BLOCK_ROWS) {
                *longest = longest.max(tail);
            }
            tail += stage.of_row;
        }
    }

    /// Each y is off by at most (dimension + 40) · 2⁻⁵³ of itself where it was computed in float64 (its
    /// norm's sum, a root, a division, a product, a difference), each decoded value by 2⁻⁵², and a sum
    /// of squares by (dimension + 8) · 2⁻⁵³ of itself; all vectors are of norm 2 at most.
    pub(crate) fn finish(self, dimension: usize, stages: &mut [Stage]) {
        let slack = (dimension + 64) as f64 * f64::EPSILON;
        let above = |squares: f64| up_to_f32(squares.sqrt() * (1.0 + slack) + 4.0 * slack);
        for (stage, norms) in stages.iter_mut().zip(self.stages) {
            stage.residual_norm = above(norms.residual);
            stage.code_norm = up_to_f32(norms.code.sqrt() * (1.0 + slack));
            stage.tails = norms.tails.into_iter().map(above).collect();
        }
    }
}
