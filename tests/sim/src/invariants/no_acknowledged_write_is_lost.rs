//! What was acknowledged before a read began, the read sees: that, or what came after.

use crate::history::{Found, Reading, Register};

pub(crate) fn check(register: &Register, reading: &Reading) -> Option<String> {
    let found = match reading.found {
        Found::Nothing => None,
        Found::Version(version) => Some(version),
        Found::Unknown => return None,
    };
    let permitted = register.permitted(reading);
    (!permitted.contains(&found)).then(|| {
        format!(
            "{} holds {found:?}, and may hold one of {permitted:?}",
            reading.id
        )
    })
}
