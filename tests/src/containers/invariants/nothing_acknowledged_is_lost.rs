//! An acknowledgement is a promise, and nothing comes from nowhere.

use crate::containers::Front;
use crate::model::Model;
use crate::wait::eventually;

/// Panics if an acknowledged write is missing, a deleted id is back, or there is what nobody wrote. To be
/// called when nobody writes any more.
#[track_caller]
pub fn nothing_acknowledged_is_lost(front: &Front, model: &mut Model) {
    // A request that a coordinator holds since it stood still may be carried out yet.
    eventually("every request has its end", || match front.under_way() {
        0 => Ok(()),
        count => Err(format!("{count} under way")),
    });
    let api = front.api().expect("a coordinator is ready");
    model.settle(&api);
}
