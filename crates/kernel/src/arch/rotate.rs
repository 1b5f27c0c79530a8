//! Rows times a matrix, in float32.

/// Terms that are added up before their sum is added to the others: fewer roundings in a row.
pub(crate) const RUN: usize = 32;

/// Output coordinates at a time: registers of sums.
const COLUMNS: usize = 32;

/// `rotated` = `rows` × `matrix`, a row-major dimension × dimension matrix. Each coordinate is a sum
/// of runs of [`RUN`] products; whether products are fused with additions is up to the CPU.
pub(crate) fn rotate(dimension: usize, matrix: &[f32], rows: &[f32], rotated: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the CPU has the instructions, as just asked.
        unsafe {
            rotate_fused(dimension, matrix, rows, rotated);
        }
        return;
    }
    rotate_by(dimension, matrix, rows, rotated, |sum, a, b| sum + a * b);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rotate_fused(dimension: usize, matrix: &[f32], rows: &[f32], rotated: &mut [f32]) {
    rotate_by(dimension, matrix, rows, rotated, |sum, a, b| {
        a.mul_add(b, sum)
    });
}

#[inline(always)]
fn rotate_by(
    dimension: usize,
    matrix: &[f32],
    rows: &[f32],
    rotated: &mut [f32],
    multiply_add: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    // Two rows at a time, so that what was read of the matrix is used twice.
    let (pairs, last) = rows.split_at(rows.len() / (2 * dimension) * 2 * dimension);
    let (rotated_pairs, rotated_last) = rotated.split_at_mut(pairs.len());
    let pairs = pairs.chunks_exact(2 * dimension);
    for (rows, rotated) in pairs.zip(rotated_pairs.chunks_exact_mut(2 * dimension)) {
        rotate_few::<2>(dimension, matrix, rows, rotated, multiply_add);
    }
    if !last.is_empty() {
        rotate_few::<1>(dimension, matrix, last, rotated_last, multiply_add);
    }
}

#[inline(always)]
fn rotate_few<const ROWS: usize>(
    dimension: usize,
    matrix: &[f32],
    rows: &[f32],
    rotated: &mut [f32],
    multiply_add: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    rotated.fill(0.0);
    let whole = dimension / COLUMNS * COLUMNS;
    for first in (0..whole).step_by(COLUMNS) {
        for (run, matrix) in matrix.chunks(RUN * dimension).enumerate() {
            let mut sums = [[0.0f32; COLUMNS]; ROWS];
            for (j, line) in (run * RUN..).zip(matrix.chunks_exact(dimension)) {
                let Some(line) = line[first..].first_chunk::<COLUMNS>() else {
                    continue;
                };
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = rows[row * dimension + j];
                    for (sum, &value) in sums.iter_mut().zip(line) {
                        *sum = multiply_add(*sum, x, value);
                    }
                }
            }
            for (sums, rotated) in sums.iter().zip(rotated.chunks_exact_mut(dimension)) {
                let to = rotated[first..first + COLUMNS].iter_mut();
                to.zip(sums).for_each(|(to, sum)| *to += sum);
            }
        }
    }
    for (row, rotated) in rows
        .chunks_exact(dimension)
        .zip(rotated.chunks_exact_mut(dimension))
    {
        for (column, to) in rotated.iter_mut().enumerate().skip(whole) {
            for (row, matrix) in row.chunks(RUN).zip(matrix.chunks(RUN * dimension)) {
                let values = matrix[column..].iter().step_by(dimension);
                let products = row.iter().zip(values);
                *to += products.fold(0.0, |sum, (&x, &value)| multiply_add(sum, x, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_the_product_of_rows_and_matrix() {
        for dimension in [1, 3, 31, 32, 33, 64, 97] {
            for count in [1, 2, 5] {
                let value = |i: usize| ((i * 7919) % 1013) as f32 / 1013.0 - 0.5;
                let matrix: Vec<f32> = (0..dimension * dimension).map(value).collect();
                let rows: Vec<f32> = (0..count * dimension).map(|i| value(i + 5)).collect();
                let mut rotated = vec![9.0; rows.len()];
                rotate(dimension, &matrix, &rows, &mut rotated);
                for (at, &got) in rotated.iter().enumerate() {
                    let (row, column) = (at / dimension, at % dimension);
                    let exact: f64 = (0..dimension)
                        .map(|j| {
                            f64::from(rows[row * dimension + j])
                                * f64::from(matrix[j * dimension + column])
                        })
                        .sum();
                    assert!((f64::from(got) - exact).abs() < 1e-4, "{got} for {exact}");
                }
            }
        }
    }
}
