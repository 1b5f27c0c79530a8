//! The HTTP API: the only place that knows status codes and JSON.

mod backend;

pub use backend::Backend;
