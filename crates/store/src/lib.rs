//! One replica of a shard: its bytes in one directory.
//!
//! Rows arrive by [`Shard::apply`] and live in memory as *growing* blocks, until a checkpoint
//! ([`Shard::freeze`], then [`Shard::seal`]) writes them as an immutable, memory-mapped *sealed*
//! segment and replaces the manifest atomically. What was applied since the last checkpoint is
//! lost with the process: the owner keeps a log, and replays it from the [`Shard::mark`] on.
//!
//! The crate knows nothing of raft, network or HTTP, and blocks: call its slow methods from a
//! thread that may block. The on-disk format is in `docs/format.md`, to the byte.

mod batch;
mod digest;
mod directory;
mod error;
mod file_name;
mod growing;
mod ids;
mod index;
mod manifest;
#[allow(unsafe_code, reason = "the one module that maps files")]
mod mapping;
mod numbers;
mod options;
mod part;
mod receiver;
mod renumbering;
mod segment;
mod shard;
mod snapshot;
mod state;
mod view;

pub use batch::WriteBatch;
pub use error::StoreError;
pub use ids::MAX_ID_BYTES;
#[cfg(target_os = "linux")]
pub use mapping::ProgramText;
pub use options::{StepObserver, StoreOptions};
pub use part::Part;
pub use receiver::{ReceivedSnapshot, SnapshotReceiver};
pub use shard::{Applied, Division, Frozen, Shard};
pub use snapshot::{Snapshot, SnapshotFile};
pub use view::ShardView;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Shard>();
        shared::<ShardView>();
        shared::<Frozen>();
        shared::<Snapshot>();
        shared::<SnapshotReceiver>();
        shared::<ReceivedSnapshot>();
        shared::<StoreError>();
    }
}
