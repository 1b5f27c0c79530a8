//! The log of every raft group of this node, in one raft-engine. `docs/log.md` describes it.

mod at_open;
mod cache;
mod disk;
mod engine;
mod entry;
mod group_log;
#[cfg(test)]
mod group_log_test;
mod group_reader;
mod group_state;
mod group_storage;
mod logged_entry;
mod record;
#[cfg(test)]
mod suite_test;
mod tail;
mod writer;

pub(crate) use at_open::AtOpen;
pub use disk::{LogDisk, LogFile};
pub use engine::LogEngine;
pub(crate) use entry::{Command, EncodedEntry, GroupConfig, decode_entry, encode_entry};
pub(crate) use group_log::GroupLog;
