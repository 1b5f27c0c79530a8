//! The raft groups that this node is a member of.

mod admission;
mod beat;
mod candidacy;
mod departure;
mod election_gate;
mod following;
mod founding;
mod freshness;
mod growing_budget;
mod handover;
mod keeper;
mod leaders;
mod leaving;
mod members;
mod opening;
mod placement;
mod proposer;
mod read;
mod read_index;
mod read_line;
mod read_rounds;
mod replay;
mod shard;
mod shards;
#[cfg(test)]
mod shards_test;
mod splitter;

use openraft::{CommittedLeaderId, LogId, Raft, ServerState};

pub(crate) use candidacy::Candidacy;
pub(crate) use placement::Attempt;
pub use placement::PlacementGroup;
pub use proposer::MAX_BATCH_BYTES;
pub use read::{Consistency, Readable};
pub(crate) use shard::PartialSnapshot;
pub use shard::ShardGroup;
pub use shards::{Fault, ShardGroups};

use crate::log::GroupConfig;
use crate::placement::Position;
use crate::{GroupStatus, NodeId};

fn log_id_of(position: Position) -> LogId<NodeId> {
    let leader = CommittedLeaderId::new(position.term, position.node);
    LogId::new(leader, position.index)
}

fn position_of(log_id: LogId<NodeId>) -> Position {
    Position {
        term: log_id.leader_id.term,
        node: log_id.leader_id.node_id,
        index: log_id.index,
    }
}

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
        learners: metrics
            .membership_config
            .membership()
            .learner_ids()
            .collect(),
        members_as_of: metrics.membership_config.log_id().map(position_of),
        running: fault.is_none(),
        fault,
    }
}
