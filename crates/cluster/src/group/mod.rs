//! The raft groups that this node is a member of.

mod keeper;
mod placement;
mod proposer;
mod shard;
mod shards;
#[cfg(test)]
mod shards_test;

use openraft::{Raft, ServerState};

pub(crate) use placement::Attempt;
pub use placement::PlacementGroup;
pub use proposer::MAX_BATCH_BYTES;
pub use shard::ShardGroup;
pub use shards::ShardGroups;

use crate::GroupStatus;
use crate::log::GroupConfig;

fn status_of<C: GroupConfig>(raft: &Raft<C>) -> GroupStatus {
    let metrics = raft.metrics();
    let metrics = metrics.borrow();
    let fault = metrics
        .running_state
        .as_ref()
        .err()
        .map(ToString::to_string);
    GroupStatus {
        leader: metrics.current_leader,
        term: metrics.current_term,
        last_log: metrics.last_log_index,
        applied: metrics.last_applied.map(|applied| applied.index),
        is_leader: metrics.state == ServerState::Leader,
        voters: metrics.membership_config.voter_ids().collect(),
        running: fault.is_none(),
        fault,
    }
}
