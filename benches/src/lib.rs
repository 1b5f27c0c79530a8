//! Measurements of Vectra; results with date and machine are kept in `benches/results`.
//!
//! Every program measures what it compares in one run, so that ratios hold on any machine.

pub mod certified;
pub mod machine;
pub mod npy;
pub mod peak;
pub mod timing;
