//! Everything behind the `vectra` binary. `ARCHITECTURE.md` says which room is which.

pub mod commands;
pub mod config;
pub mod http;
pub mod root;
pub mod telemetry;

/// Runs the command line of `vectra` and returns its exit status.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
