//! The log of every raft group of this node, in one raft-engine. `docs/log.md` describes it.

mod cache;
mod engine;
mod entry;
mod group_log;
mod record;

pub use engine::LogEngine;
pub(crate) use entry::{Command, GroupConfig, decode_entry, encode_entry};
pub(crate) use group_log::GroupLog;
