//! What a cluster adds to the cost of a search, and how many nodes one coordinator can gather.

mod cost;
mod gather;
mod groups;
mod page;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;
use tokio::time::sleep;

pub use cost::CostFigures;
pub use gather::GatherFigures;
pub use groups::GroupsFigures;
pub use page::page;

use crate::figures::LoadRun;
use crate::npy;
use crate::server::printed;
use crate::vector_set::VectorSet;

/// How thoroughly to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `vectra` binary.
    pub binary: PathBuf,
    /// Where the processes keep their data.
    pub scratch: PathBuf,
    /// Repetitions of everything, in turns.
    pub rounds: usize,
    /// Length of a run of searches.
    pub measured: Duration,
    /// Numbers of rows of the set that serve and cluster hold.
    pub rows: Vec<usize>,
    /// Numbers of shard nodes that one coordinator gathers.
    pub nodes: Vec<usize>,
    /// Numbers of raft groups that rest.
    pub groups: Vec<usize>,
}

/// What was measured.
#[derive(Debug)]
pub struct ScaleFigures {
    /// The cost of a search.
    pub cost: Vec<CostFigures>,
    /// What one coordinator gathers.
    pub gather: Vec<GatherFigures>,
    /// Raft groups at rest.
    pub groups: Vec<GroupsFigures>,
}

/// The searches that are sent.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    /// Connections.
    pub connections: u16,
    /// Searches a second; `None` for as many as are answered.
    pub rate: Option<u32>,
}

/// One load and what the server's processes took for it.
#[derive(Debug, Clone)]
pub struct Run {
    /// What the clients saw.
    pub load: LoadRun,
    /// Processor seconds of the coordinator, or of the one process, for each search.
    pub front: f64,
    /// Processor seconds of all shard nodes for each search.
    pub nodes: f64,
}

/// Measures everything.
///
/// # Errors
///
/// Whatever stops a step: a process that does not start, a request that is refused.
pub async fn measure(set: &VectorSet, plan: &Plan) -> Result<ScaleFigures> {
    let base = npy::read_vectors(&set.base)?;
    let cost = cost::measure(set, &base, plan).await?;
    let gather = gather::measure(set, &base, plan).await?;
    let groups = groups::measure(set, &base, plan).await?;
    Ok(ScaleFigures {
        cost,
        gather,
        groups,
    })
}

/// What `vectra bench` finds at `url`, and what `taken` says the processes took meanwhile.
async fn run(
    url: &str,
    set: &VectorSet,
    offered: Offered,
    consistency: &str,
    plan: &Plan,
    taken: impl Fn() -> Result<(f64, f64)>,
) -> Result<Run> {
    let mut command = tokio::process::Command::new(&plan.binary);
    command
        .args(["bench", "--json", "--k", "10", "--url", url])
        .args(["--consistency", consistency])
        .arg("--queries")
        .arg(&set.queries)
        .args(["--connections", &offered.connections.to_string()])
        .args(offered.rate.map(|rate| format!("--rate={rate}")))
        .args(["--seconds", &plan.measured.as_secs_f64().to_string()])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let rates = async {
        // `vectra bench` warms up for a second; what is taken is looked at within what it measures.
        sleep(Duration::from_secs(1) + plan.measured / 10).await;
        rates(plan.measured * 8 / 10, taken).await
    };
    let (printed, rates) = tokio::join!(printed(&mut command), rates);
    let (printed, (front, nodes)) = (printed?, rates?);
    let load: LoadRun = serde_json::from_str(&printed)
        .with_context(|| format!("vectra bench printed {printed}"))?;
    Ok(Run {
        front: front / load.qps,
        nodes: nodes / load.qps,
        load,
    })
}

/// What is `taken` of a core while this time passes, of the front and of all shard nodes.
async fn rates(time: Duration, taken: impl Fn() -> Result<(f64, f64)>) -> Result<(f64, f64)> {
    let (start, before) = (Instant::now(), taken()?);
    sleep(time).await;
    let (seconds, after) = (start.elapsed().as_secs_f64(), taken()?);
    Ok((
        (after.0 - before.0) / seconds,
        (after.1 - before.1) / seconds,
    ))
}

/// `vectra import` of these rows under their numbers.
async fn import(url: &str, rows: &NamedTempFile, plan: &Plan) -> Result<()> {
    let mut command = tokio::process::Command::new(&plan.binary);
    command
        .args(["import", "--url", url])
        .arg(rows.path())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    printed(&mut command).await.map(drop)
}

/// The first `rows` of the set, as a file of raw float32 in NumPy's format.
fn first_rows(base: &npy::Vectors, rows: usize, scratch: &Path) -> Result<NamedTempFile> {
    std::fs::create_dir_all(scratch)?;
    let file = tempfile::Builder::new()
        .prefix("rows-")
        .suffix(".npy")
        .tempfile_in(scratch)?;
    let values = base.values.chunks_exact(base.dimension).take(rows);
    let rows = values.len();
    let mut out = BufWriter::new(File::create(file.path())?);
    npy::write_header(&mut out, rows as u64, base.dimension)?;
    for value in values.flatten() {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()?;
    Ok(file)
}
