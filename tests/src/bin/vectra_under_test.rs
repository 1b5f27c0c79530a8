//! The `vectra` binary, built as part of the tests so that they never run a stale one.

fn main() -> std::process::ExitCode {
    vectra_server::main()
}
