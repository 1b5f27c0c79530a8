//! Client of Vectra's HTTP API, and what its command line is made of: typed requests, readers of
//! vector files, the import, the load generator and the picture of a cluster.
//!
//! Knows nothing of the server's insides: what it relies on is the published API.

mod answer;
pub mod bench;
mod body;
mod client;
mod error;
pub mod files;
mod import;
mod ingest_body;
#[cfg(test)]
mod ingest_form;
mod retry;
mod status;
mod tls;

pub use answer::{
    ClusterStatus, CollectionStatus, Consistency, CoordinatorStatus, Health, Hit, MoveStatus,
    NodeStatus, Precision, SearchAnswer, ShardStatus, SplitStatus, StoredVector,
};
pub use body::{delete_body, search_body};
pub use client::Client;
pub use error::{ClientError, Place};
pub use import::{Import, ImportObserver, ImportReport};
pub use ingest_body::IngestBody;
pub use retry::RetryPolicy;
pub use status::render_status;
