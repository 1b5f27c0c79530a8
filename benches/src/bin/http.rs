//! What a real `vectra serve` does over HTTP: ingest, memory, searches, searches beside writes, and
//! the cost of a search as the set grows. Writes JSON for `report`.
//!
//! `http --data DIRECTORY --output FILE [--quick]`; Linux only, for it reads `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use vectra_benches::figures::HttpFigures;
use vectra_benches::http::{Plan, measure};
use vectra_benches::vector_set;

/// Measures a `vectra serve` over HTTP.
#[derive(Debug, Parser)]
struct Arguments {
    /// Directory of the vector sets
    #[arg(long, value_name = "DIRECTORY")]
    data: PathBuf,

    /// Where the figures go, as JSON
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Shorter runs, once each, of fewer sizes: to see that it works, not to keep
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "figures of a debug build mean nothing; add --release"
    );
    let arguments = Arguments::parse();
    let own = std::env::current_exe()?;
    let build = own.parent().context("a program is in a directory")?;
    let binary = build.join("vectra");
    ensure!(
        binary.is_file(),
        "there is no {}; build it with `cargo build --release`",
        binary.display()
    );
    let (rounds, seconds, sizes) = if arguments.quick {
        (1, 2, vec![100_000, 1_000_000])
    } else {
        (3, 10, vec![100_000, 1_000_000, 4_000_000])
    };
    let plan = Plan {
        binary,
        scratch: build.join("bench"),
        rounds,
        measured: Duration::from_secs(seconds),
        sizes,
    };

    let mut sets = Vec::new();
    for set in vector_set::found_in(&arguments.data)? {
        sets.push(measure(&set, &plan).await.context(set.title)?);
    }
    let figures = HttpFigures {
        quick: arguments.quick,
        sets,
    };
    let text = serde_json::to_string_pretty(&figures)?;
    let output = &arguments.output;
    fs::write(output, text + "\n").with_context(|| format!("cannot write {}", output.display()))
}
