//! What the HTTP API needs to know of the configuration.

use std::time::Duration;

use super::lifecycle::Lifecycle;
use crate::config::{ApiKey, Config, Role};

/// Limits and rights of the HTTP API.
#[derive(Debug, Clone)]
pub struct Options {
    /// What `GET /health` reports this process to be.
    pub role: Role,
    /// What `GET /health` reports the scan to run on.
    pub instruction_set: &'static str,
    /// The gRPC address by which other nodes reach this process; `GET /health` reports it, so that
    /// a node that knows an HTTP address finds the cluster.
    pub grpc: Option<String>,
    /// The longest request body, in bytes.
    pub max_body: u64,
    /// How long a request may take, its body included.
    pub timeout: Duration,
    /// How many requests may be worked on at once.
    pub max_in_flight: usize,
    /// Whether the process is about to stop.
    pub lifecycle: Lifecycle,
    /// Who may do what; empty leaves everything open.
    pub api_keys: Vec<ApiKey>,
}

impl Options {
    /// Takes over what the configuration says.
    pub fn new(config: &Config, role: Role, instruction_set: &'static str) -> Self {
        Options {
            role,
            instruction_set,
            grpc: None,
            max_body: config.http.max_body,
            timeout: config.http.timeout,
            max_in_flight: config.http.max_in_flight,
            lifecycle: Lifecycle::default(),
            api_keys: config.api_keys.clone(),
        }
    }
}
