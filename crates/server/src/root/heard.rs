//! What was heard, by node and by shard, and what follows from it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;
use vectra_cluster::placement::{
    Move, Observed, ObservedLeader, ObservedNode, ObservedReplica, ObservedShard, PlacementMap,
    Position,
};
use vectra_cluster::{NodeId, ShardId};
use vectra_wire::v1::ReplicaReport;

use super::directory::NodeFigures;
use super::doubles::Doubles;

/// A node is alive while it was heard of within this time; it announces itself twice a second.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// A node that has let calls wait for so long and answered none is asked after the others, until it
/// announces itself.
pub(super) const LATE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Heard {
    pub(super) leaders: HashMap<ShardId, Leader>,
    pub(super) nodes: HashMap<NodeId, Sighting>,
    pub(super) coordinators: HashMap<NodeId, Instant>,
    pub(super) progress: HashMap<ShardId, Progress>,
    pub(super) doubles: Doubles,
}

/// How far a shard's move has come, and since when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// [`Move::since`], bytes sent, entries missing.
    pub(super) measure: (u64, u64, u64),
    pub(super) since: Instant,
}

#[derive(Clone, Copy)]
pub(super) struct Leader {
    pub(super) term: u64,
    pub(super) node: NodeId,
}

pub(super) struct Sighting {
    pub(super) at: Instant,
    /// No answer to a call is worth as much as not being heard of.
    pub(super) suspected: bool,
    pub(super) figures: NodeFigures,
    pub(super) replicas: Vec<ReplicaReport>,
    /// Since when it has answered no call, though one is late.
    pub(super) late: Option<Instant>,
}

impl Sighting {
    pub(super) fn is_fresh(&self) -> bool {
        !self.suspected && self.at.elapsed() < SILENCE
    }

    /// Whether a call is likely to be answered as soon as others are.
    pub(super) fn is_prompt(&self) -> bool {
        self.is_fresh() && self.late.is_none_or(|since| since.elapsed() < LATE)
    }
}

impl Heard {
    /// What was seen of the nodes and shards of `map`, for the planning of moves. A node that was never heard
    /// of is silent since `began`.
    pub(super) fn observe(&mut self, map: &PlacementMap, began: Instant) -> Observed {
        let silence = |node: &NodeId| {
            let at = self.nodes.get(node).map_or(began, |seen| seen.at);
            let silent = at.elapsed();
            (*node, ObservedNode { silent })
        };
        let nodes = map.nodes.keys().map(silence).collect();
        let mut shards = BTreeMap::new();
        for (id, shard) in &map.shards {
            let mut seen = self.observe_shard(*id);
            if let Some(next) = &shard.next {
                let measure = self.measure(*id, next);
                let now = Progress {
                    measure,
                    since: Instant::now(),
                };
                let progress = self.progress.entry(*id).or_insert(now);
                if progress.measure != measure {
                    *progress = now;
                }
                seen.stalled = progress.since.elapsed();
            } else {
                self.progress.remove(id);
            }
            shards.insert(*id, seen);
        }
        for (id, _) in map.unfinished_children() {
            shards.insert(id, self.observe_shard(id));
        }
        Observed { nodes, shards }
    }

    /// One of `replicas` after the other, those first that are likely to answer.
    pub(super) fn likely(&self, replicas: &[NodeId], attempt: usize) -> Option<NodeId> {
        let mut likely: Vec<NodeId> = replicas.to_vec();
        likely.sort_by_key(|node| !self.nodes.get(node).is_some_and(Sighting::is_prompt));
        likely.get(attempt % likely.len().max(1)).copied()
    }

    pub(super) fn forget_leader(&mut self, shard: ShardId, node: NodeId) {
        if self
            .leaders
            .get(&shard)
            .is_some_and(|known| known.node == node)
        {
            self.leaders.remove(&shard);
        }
    }

    /// What the leader of the latest term reports of a shard, if it was heard of lately.
    pub(super) fn leader_report(&self, shard: ShardId) -> Option<(NodeId, &ReplicaReport)> {
        let fresh = self.nodes.iter().filter(|(_, seen)| seen.is_fresh());
        let reports = fresh.flat_map(|(node, seen)| seen.replicas.iter().map(|one| (*node, one)));
        reports
            .filter(|(node, report)| report.shard == shard && report.leader == Some(*node))
            .max_by_key(|(_, report)| report.term)
    }

    pub(super) fn observe_shard(&self, shard: ShardId) -> ObservedShard {
        let mut observed = ObservedShard::default();
        for (&node, sighting) in &self.nodes {
            let reports = sighting.replicas.iter();
            for report in reports.filter(|report| report.shard == shard) {
                let members = report.members.as_ref();
                let is_member = members.is_some_and(|members| {
                    members.voters.contains(&node) || members.learners.contains(&node)
                });
                let fault = report.fault.clone().filter(|_| report.damaged);
                let copy = ObservedReplica {
                    damaged: fault,
                    dropped: report.dropped,
                    member_as_of: position_of(report).filter(|_| is_member),
                    bytes: report.bytes,
                    rows: report.rows,
                    splits: report.splits,
                };
                observed.replicas.insert(node, copy);
            }
        }
        observed.leader = self.leader_report(shard).and_then(|(node, report)| {
            Some(ObservedLeader {
                node,
                settled: report.members.as_ref()?.settled,
                as_of: position_of(report)?,
                ready: report.ready,
            })
        });
        observed
    }

    pub(super) fn measure(&self, shard: ShardId, next: &Move) -> (u64, u64, u64) {
        let members = self
            .leader_report(shard)
            .and_then(|(_, report)| report.members.as_ref());
        let catch_ups = members.into_iter().flat_map(|members| &members.catch_ups);
        let (mut sent, mut missing) = (0, 0);
        for one in catch_ups {
            sent += one.sent_bytes;
            missing += one.missing_entries;
        }
        (next.since, sent, missing)
    }
}

fn position_of(report: &ReplicaReport) -> Option<Position> {
    let as_of = report.members.as_ref()?.as_of?;
    Some(Position {
        term: as_of.term,
        node: as_of.node,
        index: as_of.index,
    })
}
