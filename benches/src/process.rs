//! What Linux tells about a running process.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Ticks a second in `/proc/PID/stat`: the same on every architecture Vectra is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now (`VmRSS`): the two below and shared memory.
    pub resident: u64,
    /// The most that was resident since the process started (`VmHWM`).
    pub peak: u64,
    /// Of the resident, what no file holds (`RssAnon`).
    pub anonymous: u64,
    /// Of the resident, pages of mapped files (`RssFile`).
    pub mapped: u64,
}

/// The memory of a running process.
///
/// # Errors
///
/// If there is no such process, or no `/proc`.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_memory(&status).with_context(|| format!("{path} does not tell the memory"))
}

/// Processor time that a process has taken on all its threads, in seconds.
///
/// # Errors
///
/// As [`memory`].
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = parse_ticks(&stat).with_context(|| format!("{path} does not tell the time"))?;
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
        anonymous: field("RssAnon:")?,
        mapped: field("RssFile:")?,
    })
}

/// `utime` and `stime`, the 14th and 15th field; the second, the name, may hold anything.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tvectra\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nRssAnon:\t  700 kB\n\
                      RssFile:\t  324 kB\nRssShmem:\t 0 kB\n";
        let memory = parse_memory(status).unwrap();
        assert_eq!((memory.resident, memory.peak), (1 << 20, 2 << 20));
        assert_eq!(memory.anonymous + memory.mapped, memory.resident);
        assert_eq!(parse_memory("Name:\tzombie\n"), None);
    }

    #[test]
    fn a_name_with_a_parenthesis_shifts_no_field() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 10 0 0 0 120 30 0 0 20 0 5 0 99 0 0";
        assert_eq!(parse_ticks(stat), Some(150));
    }
}
