use std::env;
use std::sync::OnceLock;

use crate::arch::{self, Kernel};

/// The instructions that the scan runs on this CPU: `avx512-vnni`, `avx-vnni`, `avx512vl-vnni` (the
/// same in another encoding), `avx2`, `neon-i8`, `simsimd` (rows one by one, by whatever that library
/// chose) or `portable`.
///
/// Chosen at the first call, the best that the CPU has. `VECTRA_ISA` in the environment then forces
/// another of those names; one that this CPU cannot run, or that means nothing, leaves the best.
pub fn instruction_set() -> &'static str {
    chosen().name()
}

/// The kernel behind the name.
pub(crate) fn chosen() -> &'static Kernel {
    static CHOSEN: OnceLock<Kernel> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let wanted = env::var("VECTRA_ISA").unwrap_or_default();
        choose(&arch::available(), &wanted)
    })
}

fn choose(available: &[Kernel], wanted: &str) -> Kernel {
    let forced = available.iter().find(|kernel| kernel.name() == wanted);
    let best = ["avx512-vnni", "avx-vnni", "avx2", "neon-i8", "portable"]
        .iter()
        .find_map(|name| available.iter().find(|kernel| kernel.name() == *name));
    match forced.or(best) {
        Some(kernel) => *kernel,
        None => unreachable!("the portable kernel is always available"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_available_is_forced_and_any_other_leaves_the_best() {
        let available = arch::available();
        let best = choose(&available, "").name();
        assert_ne!(best, "simsimd");
        for kernel in &available {
            assert_eq!(choose(&available, kernel.name()).name(), kernel.name());
        }
        assert_eq!(choose(&available, "sse9").name(), best);
        let without: Vec<Kernel> = available
            .iter()
            .filter(|kernel| kernel.name() != best)
            .copied()
            .collect();
        if best != "portable" {
            assert_ne!(choose(&without, best).name(), best);
        }
    }
}
