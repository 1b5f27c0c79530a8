//! Measurements of Vectra; results with date and machine are kept in `benches/results`.
//!
//! Every program measures what it compares in one run, so that ratios hold on any machine.

pub mod cluster;
pub mod engine;
pub mod figures;
pub mod http;
pub mod machine;
pub mod npy;
pub mod peak;
pub mod process;
pub mod report;
pub mod scale;
pub mod server;
pub mod timing;
pub mod vector_set;
