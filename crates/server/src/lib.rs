//! Everything behind the `vectra` binary. `ARCHITECTURE.md` says which room is which.

mod allocator;
mod cli;
pub mod commands;
pub mod config;
pub mod http;
pub mod leaf;
pub mod node;
pub mod root;
mod telemetry;

pub use cli::main;
