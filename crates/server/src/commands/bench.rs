//! `vectra bench`: how many searches a second, how fast, how right.

use std::path::PathBuf;

/// How much proof the searches ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchPrecision {
    /// The true top-k, proven
    Exact,
    /// The integer scan's own ranking
    Sq8,
}

/// Measures a running Vectra: keep-alive connections, each sending its next search when the last
/// one is answered.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Address of the server, or of any coordinator of a cluster
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,

    /// Query vectors: .npy, .fvecs, .bvecs, .jsonl
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

    /// Seconds to measure, after a second of warm-up
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub seconds: f64,

    /// Precision to ask for [default: the server's, exact]
    #[arg(long, value_name = "P")]
    pub precision: Option<BenchPrecision>,

    /// Key to authorise with, if the server wants one
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

impl BenchArgs {
    /// Runs the load and prints the figures on standard output.
    ///
    /// # Errors
    /// A file that cannot be read, or a server that answered no search at all.
    pub async fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("bench is under construction")
    }
}
