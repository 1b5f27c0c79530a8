//! How moves change the map.
//!
//! Every command may be applied twice, or too late: it says what it expects, and changes nothing
//! where that is so no longer.

use std::collections::BTreeSet;

use super::apply::refused;
use super::{FailedMove, Move, MoveReason, PlacementCommand, PlacementMap, PlacementOutcome};
use crate::{NodeId, ShardId};

impl PlacementMap {
    pub(super) fn drain(&mut self, node: NodeId, draining: bool) -> PlacementOutcome {
        let Some(known) = self.nodes.get_mut(&node) else {
            return refused(format!("there is no shard node {node}"));
        };
        if known.draining != draining {
            known.draining = draining;
            self.version += 1;
        }
        PlacementOutcome::Done
    }

    /// Applies a command about one shard.
    pub(super) fn change_shard(
        &mut self,
        shard: ShardId,
        command: &PlacementCommand,
    ) -> PlacementOutcome {
        match self.try_change(shard, command) {
            Ok(true) => {
                self.version += 1;
                PlacementOutcome::Done
            }
            Ok(false) => PlacementOutcome::Done,
            Err(reason) => refused(format!("shard {shard}: {reason}")),
        }
    }

    /// Whether the map has changed.
    fn try_change(&mut self, id: ShardId, command: &PlacementCommand) -> Result<bool, String> {
        let since_now = self.version + 1;
        if let PlacementCommand::BeginMove { to, .. } = command {
            self.check_nodes(to)?;
        }
        let Some(shard) = self.shards.get_mut(&id) else {
            return Err("there is no such shard".to_owned());
        };
        match command {
            PlacementCommand::NoteFounded { .. } => {
                Ok(!std::mem::replace(&mut shard.founded, true))
            }
            PlacementCommand::BeginMove {
                from, to, reason, ..
            } => {
                let now: BTreeSet<NodeId> = shard.replicas.iter().copied().collect();
                let expected: BTreeSet<NodeId> = from.iter().copied().collect();
                if shard.next.is_some()
                    || shard.split.is_some()
                    || !shard.founded
                    || now != expected
                {
                    return Err("its replicas have changed, or are about to".to_owned());
                }
                if let Some(node) = to.iter().find(|node| shard.left.contains_key(node)) {
                    return Err(format!("node {node} has yet to drop its former copy"));
                }
                let kept: BTreeSet<NodeId> = to.iter().copied().collect();
                shard.next = Some(Move {
                    replicas: to.clone(),
                    leaving: now.difference(&kept).copied().collect(),
                    reason: *reason,
                    since: since_now,
                });
                Ok(true)
            }
            PlacementCommand::FinishMove { since, as_of, .. } => {
                let Some(next) = shard.next.take_if(|next| next.since == *since) else {
                    return Ok(false);
                };
                shard.replicas = next.replicas;
                for node in next.leaving {
                    shard.left.insert(node, *as_of);
                }
                if next.reason != MoveReason::GivenUp {
                    shard.failed = None;
                }
                Ok(true)
            }
            PlacementCommand::GiveUpMove { since, reason, .. } => {
                let Some(next) = shard.next.take_if(|next| next.since == *since) else {
                    return Ok(false);
                };
                let had: BTreeSet<NodeId> = shard.replicas.iter().copied().collect();
                let wanted: BTreeSet<NodeId> = next.replicas.iter().copied().collect();
                let nodes: BTreeSet<NodeId> = wanted.difference(&had).copied().collect();
                shard.next = Some(Move {
                    replicas: shard.replicas.clone(),
                    leaving: nodes.clone(),
                    reason: MoveReason::GivenUp,
                    since: since_now,
                });
                let reason = reason.clone();
                shard.failed = Some(FailedMove { nodes, reason });
                Ok(true)
            }
            PlacementCommand::LeaveAgain { node, as_of, .. } => {
                match shard.left.get_mut(node) {
                    Some(known) if *known < *as_of => *known = *as_of,
                    _ => return Ok(false),
                }
                Ok(true)
            }
            PlacementCommand::ForgetReplica { node, .. } => Ok(shard.left.remove(node).is_some()),
            PlacementCommand::PreferLeader { node, .. } => {
                let position = shard.replicas.iter().position(|known| known == node);
                match position {
                    None => Err(format!("node {node} holds no replica of it")),
                    Some(0) => Ok(false),
                    Some(position) => {
                        shard.replicas.swap(0, position);
                        Ok(true)
                    }
                }
            }
            PlacementCommand::FoundCluster { .. }
            | PlacementCommand::AnnounceCoordinator { .. }
            | PlacementCommand::AnnounceNode { .. }
            | PlacementCommand::ReadBarrier
            | PlacementCommand::CreateCollection { .. }
            | PlacementCommand::BeginSplit { .. }
            | PlacementCommand::FinishSplit { .. }
            | PlacementCommand::RemoveCoordinator { .. }
            | PlacementCommand::Drain { .. } => Err("this is no command about a shard".to_owned()),
        }
    }

    fn check_nodes(&self, nodes: &[NodeId]) -> Result<(), String> {
        let distinct: BTreeSet<&NodeId> = nodes.iter().collect();
        if nodes.is_empty() || distinct.len() != nodes.len() {
            return Err("replicas must be on one node at least, and each on another".to_owned());
        }
        match nodes.iter().find(|node| !self.nodes.contains_key(node)) {
            Some(node) => Err(format!("there is no shard node {node}")),
            None => Ok(()),
        }
    }
}
