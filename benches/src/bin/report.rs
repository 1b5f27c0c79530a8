//! Puts what the other programs measured into one table, prints it and keeps it.
//!
//! `report --from DIRECTORY --results DIRECTORY --date DATE --revision COMMIT` writes
//! `DATE-bench.md` and `DATE-bench.json`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use vectra_benches::machine;
use vectra_benches::report::{Measured, Occasion, render};

/// Makes the table of a `just bench`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the programs left their JSON
    #[arg(long, value_name = "DIRECTORY")]
    from: PathBuf,

    /// Where the report goes
    #[arg(long, value_name = "DIRECTORY")]
    results: PathBuf,

    /// The day of the measurement, year-month-day
    #[arg(long, value_name = "DATE")]
    date: String,

    /// What was measured
    #[arg(long, value_name = "COMMIT")]
    revision: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let occasion = Occasion {
        date: arguments.date.clone(),
        revision: arguments.revision,
        machine: machine::describe(),
        surroundings: machine::surroundings(),
    };
    let measured = Measured::read(&arguments.from, occasion)?;
    ensure!(
        measured.http.is_some() || measured.peers.is_some() || !measured.engine.is_empty(),
        "{} holds no figures; run `just bench`",
        arguments.from.display()
    );

    let page = render(&measured);
    let json = serde_json::to_string_pretty(&measured)?;
    fs::create_dir_all(&arguments.results)?;
    for (ending, text) in [("md", &page), ("json", &(json + "\n"))] {
        let name = format!("{}-bench.{ending}", arguments.date);
        let path = arguments.results.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    println!("{page}");
    Ok(())
}
