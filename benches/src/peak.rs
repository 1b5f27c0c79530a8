//! What the multiplier alone can do: the ceiling of any brute-force scan on this CPU.

use std::time::Instant;

/// Multiply-adds of bytes per second on this thread, with VPDPBUSD on registers alone; `None` where
/// the CPU has no such instruction.
#[must_use]
pub fn multiply_adds_per_second() -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        let start = Instant::now();
        // SAFETY: the CPU has the instructions, as just asked.
        #[allow(unsafe_code)]
        let done = unsafe { vpdpbusd() };
        return Some(done as f64 / start.elapsed().as_secs_f64());
    }
    None
}

/// As many sums at once as a tile has, none waiting for another; returns how many bytes were
/// multiplied.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn vpdpbusd() -> u64 {
    use std::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_set1_epi32};
    use std::hint::black_box;

    const SUMS: usize = 24;
    const ROUNDS: u64 = 2_000_000;
    let codes = black_box(_mm512_set1_epi32(0x0102_0304));
    let query = black_box(_mm512_set1_epi32(0x0101_0101));
    let mut sums = [_mm512_set1_epi32(0); SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, codes, query);
        }
    }
    black_box(sums);
    ROUNDS * SUMS as u64 * 64
}
