//! What was deleted does not come back by itself.

use crate::history::{Found, Reading, Register};

pub(crate) fn check(register: &Register, reading: &Reading) -> Option<String> {
    let Found::Version(version) = reading.found else {
        return None;
    };
    if register.permitted(reading).contains(&Some(version)) {
        return None;
    }
    let settled = register.settled_before(reading)?;
    let operations = &register.operations;
    let written = operations
        .iter()
        .position(|operation| operation.leaves == Some(version))?;
    let since = operations.get(written + 1..=settled)?;
    let is_deleted = since.iter().any(|operation| operation.leaves.is_none());
    is_deleted.then(|| format!("{} was deleted, and version {version} is back", reading.id))
}
