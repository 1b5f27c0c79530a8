//! What a root is asked and what it answers, free of HTTP and of gRPC.

pub use vectra_cluster::Consistency;

/// Vectors to store, already checked for shape: `ids.len() * dimension == vectors.len()`,
/// every value finite, no vector all zero, every id 1 to 512 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestBatch {
    /// One id a vector; the later of two equal ids wins.
    pub ids: Vec<String>,
    /// Values a vector.
    pub dimension: usize,
    /// The vectors, one after the other.
    pub vectors: Vec<f32>,
}

/// How much proof a search asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// The true top-k of the stored float32 vectors, proven.
    #[default]
    Exact,
    /// The integer scan's own ranking.
    Sq8,
}

/// One search. The vector is finite and not all zero, `k` is 1 to 10,000.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    /// The query vector, of any length but zero.
    pub vector: Vec<f32>,
    /// How many neighbours to return at the most.
    pub k: usize,
    /// How much proof is asked for.
    pub precision: Precision,
    /// Which replicas may answer.
    pub consistency: Consistency,
    /// Whether shards that cannot be reached may be left out.
    pub allow_partial: bool,
}

/// One neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The id it was ingested under.
    pub id: String,
    /// Cosine of query and vector.
    pub score: f32,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAnswer {
    /// Best first; equal scores in order of id.
    pub hits: Vec<Hit>,
    /// Whether every vector not among the hits was proven to be no better.
    pub certified: bool,
    /// Shards left out because none of their replicas answered; only if the query allows it.
    pub missing_shards: Vec<u64>,
}
