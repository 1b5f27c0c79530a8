//! What becomes of moves under way: finished, given up, and the copies left behind forgotten.

use super::observed::{PROGRESS, RECEIVING};
use super::{MoveReason, Observed, ObservedShard, PlacementCommand, Shard};
use crate::{NodeId, ShardId};

/// What has come of the moves under way.
pub(super) fn progress(
    id: ShardId,
    shard: &Shard,
    seen: &ObservedShard,
    observed: &Observed,
) -> Vec<PlacementCommand> {
    let mut commands = Vec::new();
    if !shard.founded && seen.leader.is_some() {
        commands.push(PlacementCommand::NoteFounded { shard: id });
    }
    if let Some(next) = &shard.next {
        let finished = seen.leader.filter(|leader| leader.settled >= next.since);
        if let Some(leader) = finished {
            commands.push(PlacementCommand::FinishMove {
                shard: id,
                since: next.since,
                as_of: leader.as_of,
            });
        } else if next.reason != MoveReason::GivenUp
            && let Some(reason) = hopeless(shard, &next.replicas, seen, observed)
        {
            commands.push(PlacementCommand::GiveUpMove {
                shard: id,
                since: next.since,
                reason,
            });
        }
    }
    for (node, left) in &shard.left {
        let Some(copy) = seen.replicas.get(node) else {
            continue;
        };
        let is_member_again = copy.member_as_of.is_some_and(|as_of| as_of >= *left);
        if copy.dropped {
            commands.push(PlacementCommand::ForgetReplica {
                shard: id,
                node: *node,
            });
        } else if let Some(leader) = seen.leader
            && is_member_again
            && copy.member_as_of < Some(leader.as_of)
            && leader.node != *node
        {
            commands.push(PlacementCommand::LeaveAgain {
                shard: id,
                node: *node,
                as_of: leader.as_of,
            });
        }
    }
    commands
}

/// Why a move will not be finished as it is.
fn hopeless(
    shard: &Shard,
    to: &[NodeId],
    seen: &ObservedShard,
    observed: &Observed,
) -> Option<String> {
    for node in to.iter().filter(|node| !shard.replicas.contains(node)) {
        let silent = observed.nodes.get(node).map(|node| node.silent);
        if silent.is_none_or(|silent| silent > RECEIVING) {
            let seconds = silent.unwrap_or_default().as_secs();
            return Some(format!(
                "node {node} has not been heard of for {seconds} seconds"
            ));
        }
        let damaged = seen
            .replicas
            .get(node)
            .and_then(|copy| copy.damaged.clone());
        if let Some(damaged) = damaged {
            return Some(format!("node {node} cannot keep a copy: {damaged}"));
        }
    }
    (seen.stalled > PROGRESS).then(|| {
        format!(
            "it has made no progress for {} seconds",
            seen.stalled.as_secs()
        )
    })
}
