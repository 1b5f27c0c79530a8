use crate::rounding::nearest_code_byte;

/// The per-dimension factors of the code, and of what it stands for.
pub(crate) struct Encoder {
    steps_per_unit: Vec<f64>,
    /// What a code of 1 stands for, per dimension.
    pub(crate) step: Vec<f64>,
}

impl Encoder {
    pub(crate) fn new(alphas: &[f32]) -> Self {
        let to_steps = |&alpha: &f32| {
            if alpha == 0.0 {
                0.0
            } else {
                127.0 / f64::from(alpha)
            }
        };
        Self {
            steps_per_unit: alphas.iter().map(to_steps).collect(),
            step: alphas
                .iter()
                .map(|&alpha| f64::from(alpha) / 127.0)
                .collect(),
        }
    }

    /// Writes the codes of one row.
    #[inline(always)]
    pub(crate) fn encode(&self, row: &[f64], codes: &mut [i8]) {
        for ((&y, code), &steps_per_unit) in row.iter().zip(codes).zip(&self.steps_per_unit) {
            *code = nearest_code_byte(y * steps_per_unit);
        }
    }
}
