//! The commands that talk to a running Vectra over its HTTP API: thin shells around
//! `vectra-client`, which holds the logic and its tests.

mod bench;
mod drain;
mod import;
mod progress;
mod remove;
mod status;

pub use bench::BenchArgs;
pub use drain::DrainArgs;
pub use import::ImportArgs;
pub use remove::RemoveArgs;
pub use status::StatusArgs;
