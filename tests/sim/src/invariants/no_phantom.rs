//! What is found was written, under this id, and not later than it was read.

use crate::history::{Found, Reading, Register};

pub(crate) fn check(register: &Register, reading: &Reading) -> Option<String> {
    let version = match reading.found {
        Found::Nothing => return None,
        Found::Unknown => return Some(format!("{} holds what nobody wrote", reading.id)),
        Found::Version(version) => version,
    };
    let was_sent = register
        .operations
        .iter()
        .any(|operation| operation.leaves == Some(version) && operation.sent <= reading.ended);
    (!was_sent).then(|| {
        format!(
            "{} holds version {version}, which nobody had written there",
            reading.id
        )
    })
}
