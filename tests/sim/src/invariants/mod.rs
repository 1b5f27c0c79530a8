//! What must hold, whatever happens: one file each.

pub(crate) mod no_acknowledged_write_is_lost;
pub(crate) mod no_phantom;
pub(crate) mod no_resurrection;
pub(crate) mod one_owner_of_an_id;
pub(crate) mod placement_converges;
pub(crate) mod replicas_are_equal;

use crate::history::{Reading, Register};

/// What is wrong with what was read of an id, if anything is.
pub(crate) fn of_reading(register: &Register, reading: &Reading) -> Option<String> {
    let (invariant, reason) = None
        .or_else(|| Some(("no phantom", no_phantom::check(register, reading)?)))
        .or_else(|| {
            Some((
                "no resurrection",
                no_resurrection::check(register, reading)?,
            ))
        })
        .or_else(|| {
            let lost = no_acknowledged_write_is_lost::check(register, reading)?;
            Some(("no acknowledged write is lost", lost))
        })?;
    Some(format!(
        "{invariant}: {reason}\n  read: {reading:?}\n  operations: {:#?}",
        register.operations
    ))
}
