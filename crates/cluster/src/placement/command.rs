//! What can be asked of the placement, and what it answers.

use serde::{Deserialize, Serialize};

use super::{Collection, HashRange, MoveReason, Position};
use crate::{NodeId, ShardId};

/// One change of the placement map, as written to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementCommand {
    /// Gives the cluster its name; refused once it has another.
    FoundCluster {
        /// The name.
        cluster_id: String,
    },
    /// A coordinator is there, or has moved to another address.
    AnnounceCoordinator {
        /// Its id.
        node: NodeId,
        /// Where peers reach it, `name:port`.
        grpc: String,
        /// Where clients reach it.
        http: Option<String>,
    },
    /// Takes a coordinator out for good: its vote too, once the leader of the placement has seen to it.
    RemoveCoordinator {
        /// Its id.
        node: NodeId,
    },
    /// A shard node is there, or has moved to another address.
    AnnounceNode {
        /// Its id.
        node: NodeId,
        /// Where peers reach it, `name:port`.
        grpc: String,
        /// Where clients reach it.
        http: Option<String>,
    },
    /// Changes nothing: asks as of which version everything agreed on before it is in the map.
    ReadBarrier,
    /// Makes a collection unless there is one of that name.
    CreateCollection {
        /// Its name.
        name: String,
        /// Values per vector, at least 1.
        dimension: usize,
        /// How many shards, at least 1.
        shards: u32,
        /// How many replicas a shard is wanted to have; it gets the largest odd number that is
        /// neither above this nor above the number of nodes, and more as nodes join.
        replicas: u32,
    },
    /// The group of a shard has had a leader.
    NoteFounded {
        /// The shard.
        shard: ShardId,
    },
    /// Starts to change the replicas of a shard; refused if they are no longer the ones expected.
    BeginMove {
        /// The shard.
        shard: ShardId,
        /// Its replicas now, in any order.
        from: Vec<NodeId>,
        /// Its replicas afterwards; the first should lead.
        to: Vec<NodeId>,
        /// Why.
        reason: MoveReason,
    },
    /// The shard's group has the replicas that it was on its way to.
    FinishMove {
        /// The shard.
        shard: ShardId,
        /// [`super::Move::since`], so that another move is not finished by mistake.
        since: u64,
        /// The position in the shard's log at which its members are exactly these replicas.
        as_of: Position,
    },
    /// Turns back: the shard is on its way to the replicas it came from.
    GiveUpMove {
        /// The shard.
        shard: ShardId,
        /// [`super::Move::since`].
        since: u64,
        /// Why.
        reason: String,
    },
    /// A node that has left a shard became a member again by a leader that did not know, and has
    /// left once more.
    LeaveAgain {
        /// The shard.
        shard: ShardId,
        /// The node.
        node: NodeId,
        /// The position in the shard's log of a membership without it.
        as_of: Position,
    },
    /// A node that has left a shard holds nothing of it any more.
    ForgetReplica {
        /// The shard.
        shard: ShardId,
        /// The node.
        node: NodeId,
    },
    /// Starts to give the upper part of a shard's range to another, new shard; refused if its range
    /// is no longer the one expected, or its replicas are about to change.
    BeginSplit {
        /// The shard.
        shard: ShardId,
        /// Its range now.
        range: HashRange,
        /// The first hash that it gives away.
        at: u64,
    },
    /// The new shard has a leader, and a majority of its replicas holds its rows.
    FinishSplit {
        /// The shard that gave a part of its range away.
        shard: ShardId,
        /// [`super::Split::child`], so that another split is not finished by mistake.
        child: ShardId,
    },
    /// Says which replica of a shard should lead it.
    PreferLeader {
        /// The shard.
        shard: ShardId,
        /// One of its replicas.
        node: NodeId,
    },
    /// Empties a node of its replicas, or no longer.
    Drain {
        /// A shard node.
        node: NodeId,
        /// Whether it is to be emptied.
        draining: bool,
    },
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementOutcome {
    /// The map now says so.
    Done,
    /// The collection, made just now or before, whatever its dimension.
    Collection(Collection),
    /// A map of this version holds everything agreed on before the command.
    AsOf {
        /// [`super::PlacementMap::version`].
        version: u64,
    },
    /// The map is unchanged.
    Refused {
        /// Why.
        reason: String,
    },
}
