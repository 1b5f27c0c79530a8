//! The root of every request: knows all shards, asks the leaves, merges what they answer.

mod error;
mod request;

pub use error::RootError;
pub use request::{Hit, IngestBatch, Precision, SearchAnswer, SearchQuery};
