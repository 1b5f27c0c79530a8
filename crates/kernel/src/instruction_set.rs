use std::env;
use std::sync::OnceLock;

use simsimd::capabilities;

/// What `VECTRA_ISA` and [`instruction_set`] call the plain loop that runs on any CPU.
pub(crate) const PORTABLE: &str = "portable";

/// The instructions that the scan runs on this CPU: `avx512-vnni`, `avx2`, `neon-i8` or `portable`.
///
/// Chosen at the first call. `VECTRA_ISA=portable` in the environment then forces the portable
/// loop; any other value leaves the best.
pub fn instruction_set() -> &'static str {
    static CHOSEN: OnceLock<&str> = OnceLock::new();
    CHOSEN.get_or_init(|| match env::var("VECTRA_ISA") {
        Ok(forced) if forced == PORTABLE => PORTABLE,
        _ => best(),
    })
}

/// The order in which simsimd 6.5 prefers its int8 kernels (`_simsimd_find_kernel_punned_i8`). The
/// first question also makes it fill its table of kernels.
fn best() -> &'static str {
    if capabilities::uses_neon_i8() {
        "neon-i8"
    } else if capabilities::uses_ice() {
        "avx512-vnni"
    } else if capabilities::uses_haswell() {
        "avx2"
    } else {
        PORTABLE
    }
}
