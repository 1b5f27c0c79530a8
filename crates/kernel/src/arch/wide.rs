//! Loops over floats, compiled once for each width of registers.
//!
//! Rust neither reorders nor fuses floating-point operations, so a loop of independent steps gives the
//! same bits at every width. Sums over a row are the exception: how they are added up differs.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _MM_HINT_T0, _mm_cvtepi8_epi32, _mm_cvtsi32_si128, _mm_loadl_epi64, _mm_prefetch,
    _mm256_add_pd, _mm256_add_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_pd, _mm256_loadu_pd,
    _mm256_loadu_ps, _mm256_mul_pd, _mm256_mul_ps, _mm256_setzero_pd, _mm256_setzero_ps,
    _mm256_storeu_pd, _mm256_storeu_ps, _mm256_sub_pd, _mm512_add_pd, _mm512_add_ps,
    _mm512_cvtepi32_pd, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mul_pd, _mm512_mul_ps,
    _mm512_setzero_pd, _mm512_setzero_ps, _mm512_storeu_pd, _mm512_storeu_ps, _mm512_sub_pd,
};

/// Loops that gain from wide registers.
pub(crate) trait Wide {
    type Output;

    /// Does the work. To be compiled for wider registers it must be `#[inline(always)]`, and so must be
    /// what it calls in its loops.
    fn run(self, sums: impl Sums) -> Self::Output;
}

/// Sums over rows, by the widest registers there are. A value is proof that the CPU has the instructions.
pub(crate) trait Sums: Copy {
    /// About Σ aᵢ·bᵢ.
    fn dot(self, a: &[f32], b: &[f32]) -> f32;

    /// Of some coordinates y of a row, their codes c and what a code of 1 stands for: Σ (y − c·step)²,
    /// Σ c² and Σ y². All three of one length.
    fn norms(self, ys: &[f64], codes: &[i8], steps: &[f64]) -> [f64; 3];

    /// These values will be wanted soon.
    fn prefetch(self, values: &[f32]);
}

/// Does the work with the widest registers that this CPU has.
pub(crate) fn wide<W: Wide>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if has_avx512 {
            // SAFETY: the CPU has the instructions, as just asked.
            return unsafe { with_avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has the instructions, as just asked.
            return unsafe { with_avx2(work) };
        }
    }
    work.run(Portable)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<W: Wide>(work: W) -> W::Output {
    work.run(Avx512(()))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<W: Wide>(work: W) -> W::Output {
    work.run(Avx2(()))
}

#[derive(Clone, Copy)]
struct Portable;

/// Made only where the CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx2(());

/// Made only where the CPU has AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx512(());

/// What registers leave over.
#[inline(always)]
fn add_norms(mut sums: [f64; 3], ys: &[f64], codes: &[i8], steps: &[f64]) -> [f64; 3] {
    for ((&y, &code), &step) in ys.iter().zip(codes).zip(steps) {
        let code = f64::from(code);
        let off = y - code * step;
        sums[0] += off * off;
        sums[1] += code * code;
        sums[2] += y * y;
    }
    sums
}

#[inline(always)]
fn add_products(sum: f32, a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(sum, |sum, (x, y)| sum + x * y)
}

impl Sums for Portable {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        const STRIPES: usize = 8;
        let mut sums = [0.0f32; STRIPES];
        let (a, a_rest) = a.as_chunks::<STRIPES>();
        let (b, b_rest) = b.as_chunks::<STRIPES>();
        for (a, b) in a.iter().zip(b) {
            for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += x * y;
            }
        }
        add_products(sums.iter().sum(), a_rest, b_rest)
    }

    #[inline(always)]
    fn norms(self, ys: &[f64], codes: &[i8], steps: &[f64]) -> [f64; 3] {
        add_norms([0.0; 3], ys, codes, steps)
    }

    #[inline(always)]
    fn prefetch(self, _: &[f32]) {}
}

#[cfg(target_arch = "x86_64")]
impl Sums for Avx2 {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        let (a, a_rest) = a.as_chunks::<8>();
        let (b, b_rest) = b.as_chunks::<8>();
        let mut lanes = [0.0f32; 8];
        // SAFETY: the CPU has AVX2, as `self` proves; each chunk fills a register.
        unsafe {
            let mut sums = _mm256_setzero_ps();
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (_mm256_loadu_ps(a.as_ptr()), _mm256_loadu_ps(b.as_ptr()));
                sums = _mm256_add_ps(sums, _mm256_mul_ps(a, b));
            }
            _mm256_storeu_ps(lanes.as_mut_ptr(), sums);
        }
        let halves = [0, 1, 2, 3].map(|lane| lanes[lane] + lanes[lane + 4]);
        add_products(
            (halves[0] + halves[2]) + (halves[1] + halves[3]),
            a_rest,
            b_rest,
        )
    }

    #[inline(always)]
    fn norms(self, ys: &[f64], codes: &[i8], steps: &[f64]) -> [f64; 3] {
        let (ys, ys_rest) = ys.as_chunks::<4>();
        let (codes, codes_rest) = codes.as_chunks::<4>();
        let (steps, steps_rest) = steps.as_chunks::<4>();
        let mut lanes = [[0.0f64; 4]; 3];
        // SAFETY: the CPU has AVX2, as `self` proves; each chunk fills a register.
        unsafe {
            let mut sums = [_mm256_setzero_pd(); 3];
            for ((y, code), step) in ys.iter().zip(codes).zip(steps) {
                let code = _mm_cvtsi32_si128(i32::from_le_bytes(code.map(i8::cast_unsigned)));
                let code = _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(code));
                let (y, step) = (_mm256_loadu_pd(y.as_ptr()), _mm256_loadu_pd(step.as_ptr()));
                let off = _mm256_sub_pd(y, _mm256_mul_pd(code, step));
                sums[0] = _mm256_add_pd(sums[0], _mm256_mul_pd(off, off));
                sums[1] = _mm256_add_pd(sums[1], _mm256_mul_pd(code, code));
                sums[2] = _mm256_add_pd(sums[2], _mm256_mul_pd(y, y));
            }
            for (lanes, sums) in lanes.iter_mut().zip(sums) {
                _mm256_storeu_pd(lanes.as_mut_ptr(), sums);
            }
        }
        let sums = lanes.map(|[a, b, c, d]| (a + c) + (b + d));
        add_norms(sums, ys_rest, codes_rest, steps_rest)
    }

    #[inline(always)]
    fn prefetch(self, values: &[f32]) {
        prefetch(values);
    }
}

#[cfg(target_arch = "x86_64")]
impl Sums for Avx512 {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        let (a, a_rest) = a.as_chunks::<16>();
        let (b, b_rest) = b.as_chunks::<16>();
        let mut lanes = [0.0f32; 8];
        // SAFETY: the CPU has AVX-512 F, and with it AVX2, as `self` proves; each chunk fills a register.
        unsafe {
            let mut sums = _mm512_setzero_ps();
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr()));
                sums = _mm512_add_ps(sums, _mm512_mul_ps(a, b));
            }
            let mut both = [0.0f32; 16];
            _mm512_storeu_ps(both.as_mut_ptr(), sums);
            let (low, high) = (
                _mm256_loadu_ps(both.as_ptr()),
                _mm256_loadu_ps(both[8..].as_ptr()),
            );
            _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(low, high));
        }
        let halves = [0, 1, 2, 3].map(|lane| lanes[lane] + lanes[lane + 4]);
        add_products(
            (halves[0] + halves[2]) + (halves[1] + halves[3]),
            a_rest,
            b_rest,
        )
    }

    #[inline(always)]
    fn norms(self, ys: &[f64], codes: &[i8], steps: &[f64]) -> [f64; 3] {
        let (ys, ys_rest) = ys.as_chunks::<8>();
        let (codes, codes_rest) = codes.as_chunks::<8>();
        let (steps, steps_rest) = steps.as_chunks::<8>();
        let mut lanes = [[0.0f64; 8]; 3];
        // SAFETY: the CPU has AVX-512 F, and with it AVX2, as `self` proves; each chunk fills a register.
        unsafe {
            let mut sums = [_mm512_setzero_pd(); 3];
            for ((y, code), step) in ys.iter().zip(codes).zip(steps) {
                let code = _mm256_cvtepi8_epi32(_mm_loadl_epi64(code.as_ptr().cast()));
                let code = _mm512_cvtepi32_pd(code);
                let (y, step) = (_mm512_loadu_pd(y.as_ptr()), _mm512_loadu_pd(step.as_ptr()));
                let off = _mm512_sub_pd(y, _mm512_mul_pd(code, step));
                sums[0] = _mm512_add_pd(sums[0], _mm512_mul_pd(off, off));
                sums[1] = _mm512_add_pd(sums[1], _mm512_mul_pd(code, code));
                sums[2] = _mm512_add_pd(sums[2], _mm512_mul_pd(y, y));
            }
            for (lanes, sums) in lanes.iter_mut().zip(sums) {
                _mm512_storeu_pd(lanes.as_mut_ptr(), sums);
            }
        }
        let sums = lanes.map(crate::exact::reduce);
        add_norms(sums, ys_rest, codes_rest, steps_rest)
    }

    #[inline(always)]
    fn prefetch(self, values: &[f32]) {
        prefetch(values);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch(values: &[f32]) {
    const LINE: usize = 64 / size_of::<f32>();
    for line in values.chunks(LINE) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of some rows, by whatever registers.
    struct All<'a> {
        floats: &'a [f32],
        ys: &'a [f64],
        codes: &'a [i8],
    }

    impl Wide for All<'_> {
        type Output = (f32, [f64; 3]);

        #[inline(always)]
        fn run(self, sums: impl Sums) -> Self::Output {
            sums.prefetch(self.floats);
            let dot = sums.dot(self.floats, self.floats);
            (dot, sums.norms(self.ys, self.codes, self.ys))
        }
    }

    #[test]
    fn every_length_sums_up_at_every_width() {
        let floats: Vec<f32> = (0..67).map(|i| (i * 13 % 31) as f32 - 15.0).collect();
        let ys: Vec<f64> = floats.iter().map(|&value| f64::from(value)).collect();
        let codes: Vec<i8> = (0..67).map(|i| (i * 7 % 255 - 127) as i8).collect();
        for len in 0..floats.len() {
            // Whole numbers: no sum rounds, in whatever order.
            let all = || All {
                floats: &floats[..len],
                ys: &ys[..len],
                codes: &codes[..len],
            };
            let squares: f32 = floats[..len].iter().map(|value| value * value).sum();
            let norms = add_norms([0.0; 3], &ys[..len], &codes[..len], &ys[..len]);
            assert_eq!(all().run(Portable), (squares, norms));
            assert_eq!(wide(all()), (squares, norms));
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has the instructions, as just asked.
                assert_eq!(unsafe { with_avx2(all()) }, (squares, norms));
            }
        }
    }
}
