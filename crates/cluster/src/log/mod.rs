//! The log of every raft group of this node, in one raft-engine.

mod engine;

pub use engine::LogEngine;
