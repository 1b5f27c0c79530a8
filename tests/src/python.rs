//! A Python with `requests`, as users of the published example have it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binary::target_directory;

/// The interpreter to run the published example with: the machine's own if it has `requests`, else
/// one in a virtual environment made for the tests; or why there is none.
pub fn with_requests() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, String> {
    let own = PathBuf::from("python3");
    if has_requests(&own) {
        return Ok(own);
    }
    let environment = target_directory().join("tmp").join("python");
    let python = environment.join("bin").join("python3");
    if has_requests(&python) {
        return Ok(python);
    }
    let directory = environment.to_string_lossy().into_owned();
    succeed(&own, &["-m", "venv", &directory])?;
    succeed(&python, &["-m", "pip", "install", "--quiet", "requests"])?;
    Ok(python)
}

fn has_requests(python: &Path) -> bool {
    succeed(python, &["-c", "import requests"]).is_ok()
}

fn succeed(python: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(python)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("{}: {error}", python.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let complaints = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!(
        "{} {}: {complaints}",
        python.display(),
        arguments.join(" ")
    ))
}
