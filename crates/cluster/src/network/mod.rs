//! How raft groups on different nodes reach each other.

mod address_book;
mod append;
mod connections;
mod convert;
mod dial;
mod lease;
mod peer;
mod snapshot_stream;
mod throttle;
mod transfers;
mod voucher;

pub use address_book::Network;
pub use connections::grpc_server;
pub(crate) use convert::{
    append_request_from_wire, append_response_to_wire, log_id_from_wire, log_id_to_wire,
    vote_from_wire, vote_request_from_wire, vote_response_to_wire, vote_to_wire,
};
pub use dial::{Connection, Dial, Dialling};
pub(crate) use lease::Lease;
pub(crate) use peer::{Peers, client as raft_client};
pub(crate) use snapshot_stream::{CHUNK_BYTES, SnapshotSource};
use throttle::Throttle;
pub(crate) use transfers::Transfers;
pub(crate) use voucher::{Office, Voucher};

/// Messages between nodes are no larger; entries are kept far below.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 20;

/// The raft group of the placement, in the log and on the wire.
pub(crate) const PLACEMENT_GROUP: u64 = 1;

/// The raft group of a shard, in the log and on the wire.
pub(crate) fn group_of(shard: crate::ShardId) -> u64 {
    shard + PLACEMENT_GROUP
}
