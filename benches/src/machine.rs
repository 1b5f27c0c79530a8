//! What a figure was measured on.

use std::fs;
use std::thread;

/// The CPU's model, its cores and the instructions that the scan uses, for the head of a table.
#[must_use]
pub fn describe() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = information.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1))
            .map_or("unknown", str::trim)
            .to_owned()
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let instructions = vectra_kernel::instruction_set();
    let (model, family, number) = (field("model name"), field("cpu family"), field("model\t"));
    format!("{model} (family {family}, model {number}), {cores} cores, scan on {instructions}")
}
