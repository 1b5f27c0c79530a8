//! The HTTP API: the only place that knows status codes, JSON and forms.

mod admission;
mod answer;
mod api;
mod auth;
mod backend;
mod binary;
mod body;
mod cluster_handlers;
mod consistency;
mod error_pages;
mod handlers;
mod header_value;
mod json;
mod lifecycle;
mod metrics;
mod openapi;
mod options;
mod problem;
mod problem_kind;
mod refusals;
mod router;
mod rows;
mod serve;
mod shard_router;

#[cfg(test)]
mod memory_backend;
#[cfg(test)]
mod metrics_test;
#[cfg(test)]
mod refusal_test;
#[cfg(test)]
mod router_test;
#[cfg(test)]
mod serve_test;

pub use backend::{Backend, ShardNode};
pub use lifecycle::Lifecycle;
pub use options::Options;
pub use router::router;
pub use serve::{ServerHandle, serve};
pub use shard_router::shard_router;
