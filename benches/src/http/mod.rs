//! The server over HTTP: what each step measures, on a real `vectra serve`.

mod growth;
mod ingest;
mod memory;
mod searches;
mod writing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use vectra_client::files::VectorFile;

use crate::figures::SetFigures;
use crate::server::before_step;
use crate::vector_set::VectorSet;

/// How thoroughly to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `vectra` binary.
    pub binary: PathBuf,
    /// Where the servers keep their data, on a disk where fsync means something.
    pub scratch: PathBuf,
    /// Repetitions of everything, of which the report takes the median.
    pub rounds: usize,
    /// Length of a run of searches.
    pub measured: Duration,
    /// Sizes of the growing set.
    pub sizes: Vec<u64>,
}

/// Measures everything on one set.
///
/// # Errors
///
/// Whatever stops a step: a server that does not start, a request that is refused.
pub async fn measure(set: &VectorSet, plan: &Plan) -> Result<SetFigures> {
    let (rows, dimension) = shape(&set.base)?;
    let mut steps = Vec::new();
    let title = set.title;

    steps.push(before_step(format!("{title}: ingest, JSON and binary")));
    let ingested = ingest::measure(set, plan).await?;
    steps.push(before_step(format!("{title}: memory after a restart")));
    let memory = memory::measure(ingested.json_server, set, plan, rows).await?;
    let server = ingested.binary_server;
    steps.push(before_step(format!("{title}: searches")));
    let searches = searches::measure(&server, set, plan).await?;
    let mut growth = Vec::new();
    if plan.sizes.contains(&rows) {
        steps.push(before_step(format!("{title}: growing")));
        growth = growth::measure(&server, rows, set, plan).await?;
    }
    steps.push(before_step(format!("{title}: searches beside writes")));
    let writing = writing::measure(&server, set, plan).await?;

    Ok(SetFigures {
        key: set.key.to_owned(),
        rows,
        dimension,
        steps,
        json: ingested.json,
        binary: ingested.binary,
        memory,
        searches,
        writing,
        growth,
    })
}

/// Rows and dimension of a vector file.
fn shape(base: &Path) -> Result<(u64, u64)> {
    let file = VectorFile::open(base)?;
    let (rows, dimension) = (file.rows(), file.dimension());
    rows.zip(dimension)
        .map(|(rows, dimension)| (rows, dimension as u64))
        .ok_or_else(|| anyhow::anyhow!("{} does not tell its shape", base.display()))
}
