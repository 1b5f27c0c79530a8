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

/// The machine's memory, kernel and busyness, for the head of a result.
#[must_use]
pub fn surroundings() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kibibytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{:.0} GB of memory, Linux {}",
        kibibytes * 1024.0 / 1e9,
        kernel.trim()
    )
}

/// The load average of the last minute; 0 where the system does not tell.
#[must_use]
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|s| s.parse().ok());
    first.unwrap_or_default()
}
