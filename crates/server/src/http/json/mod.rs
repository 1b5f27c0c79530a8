//! Bodies of requests, parsed in one pass into the flat form the engine takes.
//!
//! The parser is our own because of what it must promise: a decimal becomes the float32 nearest to
//! it (not the one nearest to a float64 nearest to it), vectors land in one flat buffer, every
//! refusal names the value and its place, and no nesting, however deep, is followed.

mod delete;
mod fields;
mod ids;
mod ingest;
mod scanner;
mod search;
mod vector;

#[cfg(test)]
mod json_test;

pub(super) use delete::parse_delete;
pub(super) use ids::check_id;
pub(super) use ingest::parse_ingest;
pub(super) use search::parse_search;
