//! Asking for memory before it is wanted.

use crate::blocks::Line;

/// Asks for a line that will be wanted within some hundred cycles; harmless if there is none.
#[inline(always)]
pub(super) fn to_first_level(line: *const Line) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, of an instruction that each x86-64 CPU has; it reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Asks for a line that will be wanted later: beyond the core's first level of cache, which has no room for
/// what is not wanted yet.
#[inline(always)]
pub(super) fn to_second_level(line: *const Line) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, of an instruction that each x86-64 CPU has; it reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
