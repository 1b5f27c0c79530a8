//! What the programs write as JSON and the report reads: the one place that names the keys.
//!
//! Seconds, bytes and counts, unless a name says otherwise. Where a thing was measured several
//! times, all of it is kept and the report takes the median.

use serde::{Deserialize, Serialize};

use crate::process::Memory;
use crate::timing;

/// The engine alone, without a server, on one set: what `scan --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineFigures {
    /// Vectors.
    pub rows: u64,
    /// Values in each.
    pub dimension: u64,
    /// Threads of what was measured.
    pub threads: u64,
    /// The instruction set of the scan.
    pub instruction_set: String,
    /// Reading every code once, the faster of one thread and all of them.
    pub read_once_ms: f64,
    /// One query with a proven answer on all threads.
    pub one_query_ms: f64,
    /// Many queries aboard one scan, with proven answers.
    pub aboard: Vec<Aboard>,
    /// What the multiplier alone would allow a scan of every row, where the CPU has VPDPBUSD.
    pub peak_queries_per_second: Option<f64>,
    /// Part of the true neighbours found.
    pub recall: Option<f64>,
}

/// A scan that many queries share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Aboard {
    /// Queries aboard.
    pub queries: u64,
    /// Queries answered in a second.
    pub queries_per_second: f64,
}

/// The server over HTTP: what `http` writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HttpFigures {
    /// Whether measurements were shortened: no result to keep.
    pub quick: bool,
    /// One for each set of vectors.
    pub sets: Vec<SetFigures>,
}

/// One set over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetFigures {
    /// The set's key.
    pub key: String,
    /// Vectors.
    pub rows: u64,
    /// Values in each.
    pub dimension: u64,
    /// How busy the machine was before each step.
    pub steps: Vec<StepLoad>,
    /// Ingest as JSON, ids like `vec_123456`.
    pub json: IngestFigures,
    /// Ingest by `vectra import`, the row numbers as ids.
    pub binary: IngestFigures,
    /// Memory of the server that took JSON.
    pub memory: MemoryFigures,
    /// Searches on an otherwise idle server.
    pub searches: Vec<SearchFigures>,
    /// Searches while rows are written, beside searches without.
    pub writing: Vec<WritingFigures>,
    /// Searches of sets of different sizes; only of the set that is large enough.
    pub growth: Vec<GrowthFigures>,
}

/// The machine before a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepLoad {
    /// What came next.
    pub step: String,
    /// The load average of the last minute.
    pub load_average: f64,
}

/// Ingests of a whole set into empty servers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct IngestFigures {
    /// Vectors acknowledged in a second, a figure for each run.
    pub vectors_per_second: Vec<f64>,
    /// The server's memory once it had nothing more to do, after each run.
    pub memory_after: Vec<Memory>,
}

/// Memory of a server with the whole set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// As soon as it serves everything after a restart; its peak is that of the start.
    pub at_start: Memory,
    /// After the restart, once it had nothing more to do.
    pub after_restart: Memory,
    /// The most that was resident at any look while searches ran.
    pub most_under_load: u64,
    /// After these searches; its peak is that of start and searches.
    pub after_load: Memory,
}

/// Runs of `vectra bench` with as many connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchFigures {
    /// Connections.
    pub connections: u16,
    /// One after the other, between runs with other numbers of connections.
    pub runs: Vec<LoadRun>,
}

/// Pairs of runs, without writes and with them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WritingFigures {
    /// Connections that search.
    pub connections: u16,
    /// Without writes.
    pub without: Vec<LoadRun>,
    /// While rows were written.
    pub with: Vec<LoadRun>,
    /// Rows replaced in a second, for each run with writes.
    pub rows_per_second: Vec<f64>,
    /// Segment files that came to be in the runs with writes, by sealing and by compaction.
    pub new_segments: u64,
}

/// One size of a growing set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrowthFigures {
    /// Vectors.
    pub rows: u64,
    /// One after the other, between runs with other sizes.
    pub runs: Vec<LoadRun>,
}

/// One run of `vectra bench --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadRun {
    /// Searches answered in a second.
    pub qps: f64,
    /// Half of the searches took no longer.
    pub p50_ms: f64,
    /// Of a hundred searches, ninety-nine took no longer.
    pub p99_ms: f64,
    /// The slowest search.
    pub max_ms: f64,
    /// Requests that were not answered with 200.
    pub errors: u64,
    /// Part of the true neighbours found, where a truth was given.
    pub recall: Option<f64>,
    /// Part of the answers that carried a certificate.
    pub certified: Option<f64>,
    /// Processor seconds that the server took for each search.
    #[serde(default)]
    pub server_cpu_per_query: f64,
}

/// The other engines: what `benches/peers/measure.py` writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeersFigures {
    /// Threads of each.
    pub threads: u64,
    /// Neighbours asked for.
    pub k: u64,
    /// One for each set of vectors.
    pub sets: Vec<PeerSet>,
}

/// The other engines on one set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerSet {
    /// The set's key.
    pub key: String,
    /// The load average of the last minute before they were measured.
    pub load_average_before: f64,
    /// One after the other.
    pub peers: Vec<PeerFigures>,
}

/// Another engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerFigures {
    /// Engine and kind of index.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it was set up.
    pub detail: String,
    /// Seconds from the rows to an index that can be searched.
    pub build_seconds: f64,
    /// Part of the true neighbours found.
    pub recall: f64,
    /// Median latency of one query at a time on all threads.
    pub p50_ms: f64,
    /// Queries answered in a second, by the fastest way of asking.
    pub qps: f64,
    /// That way.
    pub qps_with: String,
}

/// The median of one figure over runs; `None` of none.
#[must_use]
pub fn median_of(runs: &[LoadRun], figure: impl Fn(&LoadRun) -> f64) -> Option<f64> {
    timing::median_of(runs.iter().map(figure))
}
