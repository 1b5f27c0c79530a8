//! The configuration: raw values from defaults, file, environment and flags, then validated.
//!
//! [`Config`] is what the rest of the server sees: plain values, checked against their ranges.

mod address;
mod advertise;
mod bounds;
mod error;
mod quantity;
mod raw;
mod sources;
mod validate;

#[cfg(test)]
mod config_test;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use error::{ConfigError, Refusal};
pub(crate) use quantity::write_size;
pub use sources::{FlagValue, Sources};
pub(crate) use validate::MAX_API_KEY;

/// The most dimensions a vector may have.
pub const MAX_DIMENSION: usize = 4096;

/// What a process does in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Coordinator and shard node in one process: the embedded default.
    Serve,
    /// A cluster's front: HTTP API and a vote on the placement.
    Coordinator,
    /// A host of replicas.
    Shard,
}

impl Role {
    /// The role's name, as `GET /health` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Serve => "serve",
            Role::Coordinator => "coordinator",
            Role::Shard => "shard",
        }
    }
}

/// The whole validated configuration of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The HTTP API.
    pub http: Http,
    /// The port for the other nodes of the cluster.
    pub grpc: Grpc,
    /// Where everything durable lies.
    pub data_dir: PathBuf,
    /// Whether the process claims the first free numbered directory in `data_dir` for itself, so
    /// that several processes can share one volume.
    pub data_slots: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The dimension of the default collection, 1 to [`MAX_DIMENSION`]; `None` lets the first
    /// ingest decide.
    pub dimension: Option<usize>,
    /// How many shards a new collection is cut into, 1 to 4096.
    pub shards: usize,
    /// How many replicas each shard should have, 1 to 9.
    pub replicas: usize,
    /// How many shard nodes must have joined before the collection is made, at least 1.
    pub nodes_at_start: usize,
    /// Bytes of memory the vectors' codes and ids may take; `None` leaves it to the machine.
    pub memory_budget: Option<u64>,
    /// Bytes of the disk that must stay free.
    pub disk_reserve: u64,
    /// Bytes of growing rows after which a segment is sealed.
    pub seal_bytes: u64,
    /// How long a shard node may be silent before its replicas are made anew elsewhere.
    pub dead_after: Duration,
    /// Bytes a second that this node sends to others when replicas move; `None` for no limit.
    pub move_rate: Option<u64>,
    /// Vectors of one shard beyond which it splits; `u64::MAX` for never.
    pub split_at: u64,
    /// How long a shard must be quiet before its growing rows are sealed, however few.
    pub seal_after: Duration,
    /// Who may use the HTTP API; empty leaves it open to everyone.
    pub api_keys: Vec<ApiKey>,
    /// How this process finds its cluster.
    pub cluster: Cluster,
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The name others reach it by, `host` or `host:port`.
    pub advertise: Option<String>,
    /// The longest request body, in bytes.
    pub max_body: u64,
    /// How long a request may take, its body included.
    pub timeout: Duration,
    /// How many requests may be worked on at once.
    pub max_in_flight: usize,
    /// Certificate and key; `None` serves plain HTTP.
    pub tls: Option<Tls>,
}

/// The files TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// The port for the other nodes of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grpc {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The name others reach it by, `host` or `host:port`; see [`Config::grpc_advertised`].
    pub advertise: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// One key of the HTTP API.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Who holds it; appears in logs.
    pub name: String,
    /// The secret itself.
    pub key: String,
    /// Whether it may search, fetch and look at the cluster.
    pub read: bool,
    /// Whether it may ingest and delete.
    pub write: bool,
}

/// Never shows the secret.
impl std::fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ApiKey")
            .field("name", &self.name)
            .field("read", &self.read)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

/// How a process finds its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// gRPC addresses of the first voters, the same on each; only read while there is no cluster.
    pub peers: Vec<String>,
    /// HTTP addresses (`http://…`) of coordinators of the cluster to join.
    pub join: Vec<String>,
}
