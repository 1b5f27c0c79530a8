use std::sync::OnceLock;

use simsimd::capabilities;

/// The instructions that the scan runs on this CPU: `avx512-vnni`, `avx2`, `neon-i8` or `portable`.
pub fn instruction_set() -> &'static str {
    static CHOSEN: OnceLock<&str> = OnceLock::new();
    // The order in which simsimd 6.5 prefers its int8 kernels (`_simsimd_find_kernel_punned_i8`).
    // The first question also makes it fill its table of kernels.
    CHOSEN.get_or_init(|| {
        if capabilities::uses_neon_i8() {
            "neon-i8"
        } else if capabilities::uses_ice() {
            "avx512-vnni"
        } else if capabilities::uses_haswell() {
            "avx2"
        } else {
            "portable"
        }
    })
}
