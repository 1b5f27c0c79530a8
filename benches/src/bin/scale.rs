//! What a search costs in a cluster beside `vectra serve`, and what one coordinator can gather. Writes a
//! page of Markdown.
//!
//! `scale --data DIRECTORY --output FILE [--quick] [--binary VECTRA]`; Linux only, for it reads `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use vectra_benches::scale::{Plan, measure, page};
use vectra_benches::vector_set;

/// Measures clusters of processes on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Directory of the vector sets; SIFT-1M is used
    #[arg(long, value_name = "DIRECTORY")]
    data: PathBuf,

    /// Where the page goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// The `vectra` to measure, a release build [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,

    /// What the page says of date and version
    #[arg(long, value_name = "DATE", default_value = "undated")]
    date: String,

    #[arg(
        long,
        value_name = "REVISION",
        default_value = "of an unknown revision"
    )]
    revision: String,

    /// Shorter runs, once each, of fewer nodes: to see that it works, not to keep
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let own = std::env::current_exe()?;
    let build = own.parent().context("a program is in a directory")?;
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => {
            ensure!(
                !cfg!(debug_assertions),
                "figures of a debug build mean nothing; add --release, or name a --binary"
            );
            build.join("vectra")
        }
    };
    ensure!(
        binary.is_file(),
        "there is no {}; build it with `cargo build --release`",
        binary.display()
    );
    let (rounds, seconds) = if arguments.quick { (1, 2) } else { (3, 5) };
    let (rows, nodes, groups) = if arguments.quick {
        (vec![100_000], vec![3, 6], vec![6])
    } else {
        (
            vec![200_000, 1_000_000],
            vec![3, 6, 12, 24, 48],
            vec![6, 60, 240],
        )
    };
    let plan = Plan {
        binary,
        scratch: build.join("bench"),
        rounds,
        measured: Duration::from_secs(seconds),
        rows,
        nodes,
        groups,
    };
    let sets = vector_set::found_in(&arguments.data)?;
    let set = sets
        .iter()
        .find(|set| set.key == "sift1m")
        .context("this is measured on SIFT-1M")?;
    let figures = measure(set, &plan).await?;
    let text = page(&figures, &plan, &arguments.date, &arguments.revision);
    let output = &arguments.output;
    fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}
