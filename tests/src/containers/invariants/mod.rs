//! What must hold whatever happens to one container.

mod no_request_fails;
mod no_search_fails;
mod nothing_acknowledged_is_lost;
mod replicas_hold_the_same;
mod writes_stall_briefly;

pub use no_request_fails::no_request_fails;
pub use no_search_fails::no_search_fails;
pub use nothing_acknowledged_is_lost::nothing_acknowledged_is_lost;
pub use replicas_hold_the_same::replicas_hold_the_same;
pub use writes_stall_briefly::writes_stall_briefly;
