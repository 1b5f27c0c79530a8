//! The load generator: keep-alive connections, each in a closed loop or at a rate.
//!
//! It runs on the cores of the server it measures, so it is made to cost little: requests are
//! bytes prepared before the start, a connection is one task that writes them and reads the
//! answer's frame, and answers are understood only after the clock has stopped.

mod connection;
mod load;
mod recall;
mod report;
mod worker;

pub use load::Load;
pub use report::LoadReport;
