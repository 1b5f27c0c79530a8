//! Whether concurrent clients could tell the cluster from one that does everything one after the
//! other, each operation at a moment between its request and its answer.
//!
//! Every id is a register: it holds one of the vectors that were written under it, or nothing.
//! Registers are independent, so each is checked for itself. [`clients`] write, delete, fetch and
//! search; [`register`] keeps what they did to one id and what they learned of it; [`checker`] looks
//! for an order that explains it all.

pub mod checker;
#[cfg(test)]
mod checker_test;
pub mod clients;
pub mod operation;
pub mod register;
