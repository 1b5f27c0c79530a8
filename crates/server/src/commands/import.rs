//! `vectra import`: vector files into a running server.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use vectra_client::{Client, Import, RetryPolicy};

use super::progress::Progress;

/// Loads vector files into a running Vectra.
///
/// An ingest of an id that exists replaces it, so an import that was interrupted can simply be
/// run again.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Files to load: .npy (float32, float16, float64, uint8, int8), .fvecs, .bvecs, .jsonl,
    /// .parquet
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
        let mut client = Client::new(&self.url)?;
        if let Some(key) = &self.api_key {
            client = client.with_api_key(key)?;
        }
        let import = Import {
            files: self.files,
            ids: self.ids,
            batch_rows: self.batch.map(|rows| rows as usize),
            connections: usize::from(self.connections),
            retry: RetryPolicy {
                give_up_after: self.retry_for,
                ..RetryPolicy::default()
            },
        };
        let progress = Arc::new(Progress::new(std::io::stderr().is_terminal()));

        let outcome = tokio::select! {
            outcome = import.run(client, progress.clone()) => outcome,
            signal = tokio::signal::ctrl_c() => {
                signal.context("cannot listen for Ctrl-C")?;
                progress.finish();
                bail!(
                    "interrupted: {} vectors were acknowledged and stay stored; run the import \
                     again to load the rest",
                    progress.rows()
                );
            }
        };
        progress.finish();
        let report = match (outcome, progress.rows()) {
            (Ok(report), _) => report,
            (Err(error), 0) => return Err(error.into()),
            (Err(error), rows) => {
                let stored = format!("the import stopped; {rows} vectors of it are stored");
                return Err(anyhow::Error::new(error).context(stored));
            }
        };
        let retried = match report.retries {
            0 => String::new(),
            retries => format!(", {retries} batches sent again"),
        };
        println!(
            "{} vectors in {:.1} s, {:.0} vectors/s{retried}",
            report.rows,
            report.elapsed.as_secs_f64(),
            report.rate()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("90", 90_000),
            ("5m", 300_000),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for wrong in ["", "m", "5 m", "-1s", "5d", "1e99h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
