//! `vectra import`: vector files into a running server.

use std::path::PathBuf;
use std::time::Duration;

/// Loads vector files into a running Vectra.
///
/// An ingest of an id that exists replaces it, so an import that was interrupted can simply be
/// run again.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Files to load: .npy (float32, float16, float64, uint8, int8), .fvecs, .bvecs, .jsonl
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Address of the server, or of any coordinator of a cluster
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Ids, one a line, for the vectors of all files in their order [default: the file's own ids,
    /// else the row number, which runs on over the files]
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,

    /// Vectors in a request [default: about a million values, at most 10,000 vectors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,

    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub connections: u16,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// How long to go on retrying a batch that is refused for now or finds no server (30s, 5m, 1h)
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub retry_for: Duration,
}

/// Reads `90`, `90s`, `5m`, `1h` or `250ms`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let amount: f64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is not a time; write it like 30s, 5m or 1h"))?;
    let seconds = match unit {
        "ms" => amount / 1000.0,
        "" | "s" => amount,
        "m" => amount * 60.0,
        "h" => amount * 3600.0,
        other => {
            return Err(format!(
                "{other:?} is not a unit of time; use ms, s, m or h"
            ));
        }
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is out of range"))
}

impl ImportArgs {
    /// Runs the import to its end, showing progress on standard error.
    ///
    /// # Errors
    /// A file that cannot be read, a batch the server refused, or no server for too long.
    pub async fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("import is under construction")
    }
}
