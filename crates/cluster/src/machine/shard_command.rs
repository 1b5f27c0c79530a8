//! What a shard's log entries carry: some batches of writes, or a split.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};

use super::Split;
use crate::log::Command;

/// In the place of the number of batches: a split follows.
const SPLIT: u32 = u32::MAX;

/// Batches that were waiting at the same time share one entry, and so one fsync.
///
/// As bytes: the number of batches u32, then for each its length u32, then the batches one after
/// the other; all little-endian. A split stands alone: 2³² − 1 as u32, then the split as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ShardCommand {
    #[serde(skip)]
    pub(crate) batches: Vec<Bytes>,
    #[serde(skip)]
    pub(crate) split: Option<Split>,
    #[serde(skip)]
    pub(crate) proposed: Proposed,
}

/// Whether a command has entered the leader's log, and so may take effect whatever happens next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proposed(Arc<AtomicBool>);

impl Proposed {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What became of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardOutcome {
    /// For each batch how many of its ids existed, or why it was refused.
    pub(crate) batches: Vec<Result<u64, BatchRefusal>>,
    /// Why the shard was not split, if it should have been.
    pub(crate) split_refused: Option<String>,
}

/// Why a batch was refused, by every replica alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BatchRefusal {
    /// It cannot be applied.
    Bad(String),
    /// Some of its ids belong to another shard by now.
    Elsewhere,
}

impl ShardCommand {
    pub(crate) fn new(batches: Vec<Bytes>) -> Self {
        Self {
            batches,
            ..Self::default()
        }
    }

    pub(crate) fn split(split: Split) -> Self {
        Self {
            split: Some(split),
            ..Self::default()
        }
    }
}

impl Command for ShardCommand {
    fn encode(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        if let Some(split) = &self.split {
            head.put_u32_le(SPLIT);
            // Numbers always become JSON; were it not so, decoding refuses what is there.
            head.extend(serde_json::to_vec(split).unwrap_or_default());
            return Vec::new();
        }
        head.put_u32_le(self.batches.len() as u32);
        for batch in &self.batches {
            head.put_u32_le(batch.len() as u32);
        }
        self.batches.clone()
    }

    fn decode(mut bytes: Bytes) -> Result<Self, String> {
        let too_short = || "its batches are cut short".to_owned();
        let count = bytes.try_get_u32_le().map_err(|_| too_short())?;
        if count == SPLIT {
            let split = serde_json::from_slice(&bytes);
            return split
                .map(Self::split)
                .map_err(|error| format!("its split is not readable: {error}"));
        }
        let mut lengths = Vec::new();
        for _ in 0..count {
            lengths.push(bytes.try_get_u32_le().map_err(|_| too_short())? as usize);
        }
        let mut batches = Vec::with_capacity(lengths.len());
        for length in lengths {
            if bytes.len() < length {
                return Err(too_short());
            }
            batches.push(bytes.split_to(length));
        }
        if !bytes.is_empty() {
            return Err(format!("{} bytes follow its last batch", bytes.len()));
        }
        Ok(Self::new(batches))
    }

    fn entered_log(&self) {
        self.proposed.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(command: &ShardCommand) -> Bytes {
        let mut bytes = Vec::new();
        for part in command.encode(&mut bytes) {
            bytes.extend_from_slice(&part);
        }
        bytes.into()
    }

    proptest! {
        #[test]
        fn a_command_reads_back_as_it_was_written(
            batches in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)
        ) {
            let command = ShardCommand::new(batches.into_iter().map(Bytes::from).collect());
            let read = ShardCommand::decode(encoded(&command)).unwrap();
            prop_assert_eq!(read.batches, command.batches);
        }

        #[test]
        fn a_split_reads_back_as_it_was_written(child: u64, at: u64, first: u64, last: u64) {
            let range = crate::placement::HashRange { first, last };
            let split = Split { child, range, at };
            let command = ShardCommand::split(split);
            prop_assert_eq!(ShardCommand::decode(encoded(&command)).unwrap().split, Some(split));
        }

        #[test]
        fn no_bytes_whatsoever_make_decoding_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let _ = ShardCommand::decode(bytes.into());
        }
    }
}
