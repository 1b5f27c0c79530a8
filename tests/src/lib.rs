//! Starts and stops real `vectra` processes for the scenarios in `tests/tests/scenarios`.
//!
//! - [`process`]: one process of the binary under test, its directory and its log
//! - [`sandbox`]: a cluster of them
//! - [`http`] and [`raw`]: a well-behaved and a careless client
//! - [`model`]: what has been acknowledged, so what must be found
//! - [`python`]: an interpreter for the published example
//! - [`oracle`]: the right answer of a search, in float64

#![allow(clippy::unwrap_used, clippy::expect_used)] // a harness fails by panicking

pub mod address;
pub mod compose;
pub mod http;
pub mod model;
pub mod oracle;
pub mod process;
pub mod python;
pub mod raw;
pub mod sandbox;
pub mod seed;
pub mod skip;
pub mod until;
pub mod vectors;
pub mod wait;
