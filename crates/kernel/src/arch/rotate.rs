//! Rows times a matrix, in float32.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Terms that are added up before their sum is added to the others: fewer roundings in a row.
pub(crate) const RUN: usize = 32;

/// Registers of output coordinates of a row at a time.
const REGISTERS: usize = 2;

/// `rotated` = `rows` × `matrix`, a row-major dimension × dimension matrix. Each coordinate is a sum
/// of runs of [`RUN`] products; whether products are fused with additions is up to the CPU.
pub(crate) fn rotate(dimension: usize, matrix: &[f32], rows: &[f32], rotated: &mut [f32]) {
    assert!(
        matrix.len() == dimension * dimension && rows.len() == rotated.len(),
        "a matrix or rows of another dimension"
    );
    rotated.fill(0.0);
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the instructions, as just asked.
            unsafe { rotate_avx512(dimension, matrix, rows, rotated) }
            return;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has the instructions, as just asked.
            unsafe { rotate_avx2(dimension, matrix, rows, rotated) }
            return;
        }
    }
    // SAFETY: portable registers need no instructions.
    unsafe { rotate_by::<[f32; 8], 2>(dimension, matrix, rows, rotated) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn rotate_avx512(dimension: usize, matrix: &[f32], rows: &[f32], rotated: &mut [f32]) {
    // SAFETY: the CPU has the instructions of this function.
    unsafe { rotate_by::<__m512, 4>(dimension, matrix, rows, rotated) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rotate_avx2(dimension: usize, matrix: &[f32], rows: &[f32], rotated: &mut [f32]) {
    // SAFETY: the CPU has the instructions of this function.
    unsafe { rotate_by::<__m256, 4>(dimension, matrix, rows, rotated) }
}

/// Some float32 side by side. All methods need the instructions that the register is of.
trait Register: Copy {
    const LANES: usize;

    /// All the same.
    unsafe fn splat(value: f32) -> Self;
    /// The first values of a slice, which has enough.
    unsafe fn load(from: &[f32]) -> Self;
    /// `self` + `a` · `b`.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// Adds to the first values of a slice, which has enough.
    unsafe fn add_to(self, to: &mut [f32]);
}

impl Register for [f32; 8] {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        std::array::from_fn(|lane| from[lane])
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn add_to(self, to: &mut [f32]) {
        to.iter_mut().zip(self).for_each(|(to, sum)| *to += sum);
    }
}

#[cfg(target_arch = "x86_64")]
impl Register for __m256 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the caller's word the CPU has AVX.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        let from = &from[..Self::LANES];
        // SAFETY: so many values are there, and the CPU has AVX.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        // SAFETY: by the caller's word the CPU has FMA.
        unsafe { _mm256_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn add_to(self, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: so many values are there, and the CPU has AVX.
        unsafe {
            let sum = _mm256_add_ps(_mm256_loadu_ps(to.as_ptr()), self);
            _mm256_storeu_ps(to.as_mut_ptr(), sum);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Register for __m512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the caller's word the CPU has AVX-512.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        let from = &from[..Self::LANES];
        // SAFETY: so many values are there, and the CPU has AVX-512.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        // SAFETY: by the caller's word the CPU has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn add_to(self, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: so many values are there, and the CPU has AVX-512.
        unsafe {
            let sum = _mm512_add_ps(_mm512_loadu_ps(to.as_ptr()), self);
            _mm512_storeu_ps(to.as_mut_ptr(), sum);
        }
    }
}

/// The CPU has the instructions of `R`. `ROWS` rows at a time, so that what was read of the matrix is used
/// so often.
#[inline(always)]
unsafe fn rotate_by<R: Register, const ROWS: usize>(
    dimension: usize,
    matrix: &[f32],
    rows: &[f32],
    rotated: &mut [f32],
) {
    let (whole, last) = rows.split_at(rows.len() / (ROWS * dimension) * ROWS * dimension);
    let (rotated_whole, rotated_last) = rotated.split_at_mut(whole.len());
    let whole = whole.chunks_exact(ROWS * dimension);
    for (rows, rotated) in whole.zip(rotated_whole.chunks_exact_mut(ROWS * dimension)) {
        // SAFETY: as for this function.
        unsafe { rotate_few::<R, ROWS>(dimension, matrix, rows, rotated) }
    }
    let last = last.chunks_exact(dimension);
    for (row, rotated) in last.zip(rotated_last.chunks_exact_mut(dimension)) {
        // SAFETY: as for this function.
        unsafe { rotate_few::<R, 1>(dimension, matrix, row, rotated) }
    }
}

/// The CPU has the instructions of `R`.
#[inline(always)]
unsafe fn rotate_few<R: Register, const ROWS: usize>(
    dimension: usize,
    matrix: &[f32],
    rows: &[f32],
    rotated: &mut [f32],
) {
    let columns = REGISTERS * R::LANES;
    let whole = dimension / columns * columns;
    for first in (0..whole).step_by(columns) {
        for (run, matrix) in matrix.chunks(RUN * dimension).enumerate() {
            let lines = matrix.chunks_exact(dimension);
            // SAFETY: as for this function.
            let mut sums = [[unsafe { R::splat(0.0) }; REGISTERS]; ROWS];
            let rows: [&[f32]; ROWS] =
                std::array::from_fn(|row| &rows[row * dimension + run * RUN..][..lines.len()]);
            for (j, line) in lines.enumerate() {
                let line = &line[first..first + columns];
                // SAFETY: as for this function.
                unsafe {
                    let line: [R; REGISTERS] = [R::load(line), R::load(&line[R::LANES..])];
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let x = R::splat(row[j]);
                        sums[0] = sums[0].plus_product(x, line[0]);
                        sums[1] = sums[1].plus_product(x, line[1]);
                    }
                }
            }
            for (sums, rotated) in sums.iter().zip(rotated.chunks_exact_mut(dimension)) {
                let rotated = &mut rotated[first..first + columns];
                // SAFETY: as for this function.
                unsafe {
                    sums[0].add_to(rotated);
                    sums[1].add_to(&mut rotated[R::LANES..]);
                }
            }
        }
    }
    let rotated = rotated.chunks_exact_mut(dimension);
    for (row, rotated) in rows.chunks_exact(dimension).zip(rotated) {
        for (column, to) in rotated.iter_mut().enumerate().skip(whole) {
            for (row, matrix) in row.chunks(RUN).zip(matrix.chunks(RUN * dimension)) {
                let values = matrix[column..].iter().step_by(dimension);
                let products = row.iter().zip(values);
                *to += products.fold(0.0, |sum, (&x, &value)| sum + x * value);
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
