//! The gRPC service.

use crate::{PlacementGroup, ShardGroups};

/// The gRPC service by which the raft groups of other nodes reach those of this one.
#[derive(Clone)]
pub struct RaftService;

impl RaftService {
    /// Serves the groups given; a shard node has no placement, a coordinator may have no shards.
    pub fn new(groups: Option<ShardGroups>, placement: Option<PlacementGroup>) -> Self {
        let _ = (groups, placement);
        Self
    }
}
