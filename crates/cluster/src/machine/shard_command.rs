//! What a shard's log entries carry: some batches of writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};

use crate::log::Command;

/// Batches that were waiting at the same time share one entry, and so one fsync.
///
/// As bytes: the number of batches u32, then for each its length u32, then the batches one after
/// the other; all little-endian.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ShardCommand {
    #[serde(skip)]
    pub(crate) batches: Vec<Bytes>,
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

/// For each batch how many of its ids existed, or why it was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardOutcome {
    pub(crate) batches: Vec<Result<u64, String>>,
}

impl ShardCommand {
    pub(crate) fn new(batches: Vec<Bytes>) -> Self {
        Self {
            batches,
            proposed: Proposed::default(),
        }
    }
}

impl Command for ShardCommand {
    fn encode(&self, into: &mut Vec<u8>) {
        into.put_u32_le(self.batches.len() as u32);
        for batch in &self.batches {
            into.put_u32_le(batch.len() as u32);
        }
        for batch in &self.batches {
            into.extend_from_slice(batch);
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, String> {
        let too_short = || "its batches are cut short".to_owned();
        let count = bytes.try_get_u32_le().map_err(|_| too_short())?;
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

    fn encoded_len(&self) -> usize {
        4 + self
            .batches
            .iter()
            .map(|batch| 4 + batch.len())
            .sum::<usize>()
    }

    fn entered_log(&self) {
        self.proposed.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_command_reads_back_as_it_was_written(
            batches in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)
        ) {
            let command = ShardCommand::new(batches.into_iter().map(Bytes::from).collect());
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), command.encoded_len());
            let read = ShardCommand::decode(bytes.into()).unwrap();
            prop_assert_eq!(read.batches, command.batches);
        }

        #[test]
        fn no_bytes_whatsoever_make_decoding_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let _ = ShardCommand::decode(bytes.into());
        }
    }
}
