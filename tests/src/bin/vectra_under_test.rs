//! The `vectra` binary, built as part of the tests so that they never run a stale one.

use std::io::Read;

fn main() -> std::process::ExitCode {
    if std::env::var_os("UNDER_TEST_ENDS_WITH_STDIN").is_some() {
        std::thread::spawn(end_with_stdin);
    }
    vectra_server::main()
}

/// Ends this process when whoever started it is gone.
fn end_with_stdin() {
    let mut ignored = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut ignored);
    std::process::exit(1);
}
