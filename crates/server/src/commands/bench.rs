//! `vectra bench`: how many searches a second, how fast, how right.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use vectra_client::bench::Load;
use vectra_client::files::{Neighbours, VectorFile};
use vectra_client::{Consistency, Precision};

/// Time for connections, caches and the server's threads to settle.
const WARM_UP: Duration = Duration::from_secs(1);

/// How much proof the searches ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchPrecision {
    /// The true top-k, proven
    Exact,
    /// The integer scan's own ranking
    Sq8,
}

/// Which replicas the searches may be answered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchConsistency {
    /// Each shard's leader
    Leader,
    /// The same, confirmed by a majority
    Linearizable,
    /// Any that is at most five seconds behind
    Any,
}

/// Measures a running Vectra: keep-alive connections, each sending its next search when the last
/// one is answered, or all together so many a second.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Address of the server, or of any coordinator of a cluster
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Query vectors: .npy, .fvecs, .bvecs, .jsonl, .parquet
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,

    /// True neighbours, to report recall: .npy (int32, int64) or .ivecs, row numbers as ids
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,

    /// Neighbours to ask for
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub k: u32,

    /// Connections, each with one search under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=16_384))]
    pub connections: u16,

    /// Searches to send a second, over all connections; one that has to wait for its connection counts from
    /// when it was due [default: each connection sends the next as soon as the last one is answered]
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    pub rate: Option<f64>,

    /// Seconds to measure, after a second of warm-up
    #[arg(long, value_name = "S", default_value = "10", value_parser = parse_seconds)]
    pub seconds: Duration,

    /// Precision to ask for [default: the server's, exact]
    #[arg(long, value_name = "P")]
    pub precision: Option<BenchPrecision>,

    /// Which replicas may answer [default: the server's, leader]
    #[arg(long, value_name = "C")]
    pub consistency: Option<BenchConsistency>,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Reads a number of seconds, more than none and less than a day.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.001..86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text:?} is not a number of seconds between 0.001 and 86400"))
}

/// Reads a number of searches a second, from one in a thousand seconds on.
fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    rate.filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or_else(|| format!("{text:?} is not a number between 0.001 and 1000000"))
}

impl BenchArgs {
    /// Runs the load and prints the figures on standard output.
    ///
    /// # Errors
    /// A file that cannot be read, or a server that answered no search at all.
    pub async fn run(self) -> anyhow::Result<()> {
        let truth = self.truth.as_deref().map(Neighbours::open).transpose()?;
        let load = Load {
            url: self.url,
            api_key: self.api_key,
            queries: VectorFile::open(&self.queries)?.read_all()?,
            truth,
            k: self.k as usize,
            precision: self.precision.map(|precision| match precision {
                BenchPrecision::Exact => Precision::Exact,
                BenchPrecision::Sq8 => Precision::Sq8,
            }),
            consistency: self.consistency.map(|consistency| match consistency {
                BenchConsistency::Leader => Consistency::Leader,
                BenchConsistency::Linearizable => Consistency::Linearizable,
                BenchConsistency::Any => Consistency::Any,
            }),
            connections: usize::from(self.connections),
            rate: self.rate,
            warm_up: WARM_UP,
            measured: self.seconds,
        };
        let report = load.run().await?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{report}");
        }
        ensure!(
            report.answered > 0,
            "no search was answered in the measured time"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_finite_and_more_than_none() {
        assert_eq!(parse_seconds("2.5"), Ok(Duration::from_millis(2500)));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "ten"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_rate_is_more_than_none() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "ten"] {
            assert!(parse_rate(wrong).is_err(), "{wrong:?}");
        }
    }
}
