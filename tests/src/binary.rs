//! The binary under test, and the commands of it that end by themselves.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs a command of the binary under test to its end: `import`, `bench`, `status`.
pub fn run(arguments: &[&str]) -> Output {
    let mut command = under_test();
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the binary under test starts")
}

/// Runs a command and answers its standard output.
///
/// # Panics
/// With everything it printed, when it fails.
#[track_caller]
pub fn run_well(arguments: &[&str]) -> String {
    let output = run(arguments);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{printed}\n{complaints}",
        output.status
    );
    printed
}

/// The binary under test, without the settings of whoever runs the tests.
pub(crate) fn under_test() -> Command {
    let mut command = Command::new(target_directory().join("vectra-under-test"));
    for (key, _) in std::env::vars_os() {
        let is_setting = key.to_string_lossy().starts_with("VECTRA_");
        if is_setting && key != "VECTRA_ISA" && key != "VECTRA_LOG" {
            command.env_remove(key);
        }
    }
    command
}

/// Where cargo puts the binaries: one above the directory of the running test (`deps`).
pub(crate) fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    let deps = test.parent().expect("a test is in a directory");
    deps.parent()
        .expect("deps is in the build directory")
        .to_owned()
}
