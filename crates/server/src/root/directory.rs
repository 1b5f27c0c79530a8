//! What a coordinator has heard of the nodes lately: who is alive, who leads which shard.
//!
//! Soft state: each coordinator has its own, a new one learns it within a second, and a wrong
//! entry costs one more call. What must be agreed is in the placement map.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vectra_cluster::{NodeId, ShardId};
use vectra_wire::v1::ReplicaReport;

/// A node is alive while it was heard of within this time; it announces itself twice a second.
const SILENCE: Duration = Duration::from_secs(3);

/// What was heard, by shard and by node.
#[derive(Default)]
pub struct Directory {
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    leaders: HashMap<ShardId, Leader>,
    nodes: HashMap<NodeId, Sighting>,
    coordinators: HashMap<NodeId, Instant>,
}

#[derive(Clone, Copy)]
struct Leader {
    term: u64,
    node: NodeId,
}

struct Sighting {
    at: Instant,
    memory_bytes: u64,
    replicas: Vec<ReplicaReport>,
}

/// One node at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NodeGlance {
    pub(super) alive: bool,
    pub(super) memory_bytes: u64,
}

/// One shard at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShardGlance {
    pub(super) leader: Option<NodeId>,
    pub(super) rows: u64,
    pub(super) faults: Vec<String>,
}

impl Directory {
    /// A shard node announced itself.
    pub fn node_announced(&self, node: NodeId, memory_bytes: u64, replicas: Vec<ReplicaReport>) {
        let mut heard = self.heard.lock();
        for report in &replicas {
            let Some(leader) = report.leader else {
                continue;
            };
            let reported = Leader {
                term: report.term,
                node: leader,
            };
            let known = heard.leaders.entry(report.shard).or_insert(reported);
            if reported.term >= known.term {
                *known = reported;
            }
        }
        heard.nodes.insert(
            node,
            Sighting {
                at: Instant::now(),
                memory_bytes,
                replicas,
            },
        );
    }

    /// Another coordinator answered.
    pub fn coordinator_answered(&self, node: NodeId) {
        self.heard.lock().coordinators.insert(node, Instant::now());
    }

    pub(super) fn coordinator_alive(&self, node: NodeId) -> bool {
        let seen = self.heard.lock().coordinators.get(&node).copied();
        seen.is_some_and(|at| at.elapsed() < SILENCE)
    }

    /// Which of `replicas` to ask for `shard`: its leader as far as known, else one after the
    /// other, those that were heard of lately first.
    pub(super) fn pick(
        &self,
        shard: ShardId,
        replicas: &[NodeId],
        attempt: usize,
    ) -> Option<NodeId> {
        let heard = self.heard.lock();
        if let Some(leader) = heard.leaders.get(&shard)
            && replicas.contains(&leader.node)
        {
            return Some(leader.node);
        }
        let mut likely: Vec<NodeId> = replicas.to_vec();
        likely.sort_by_key(|node| !heard.nodes.get(node).is_some_and(Sighting::is_fresh));
        likely.get(attempt % likely.len().max(1)).copied()
    }

    /// `asked` said that it does not lead `shard`, and who does if it knows.
    pub(super) fn correct(&self, shard: ShardId, asked: NodeId, leader: Option<NodeId>) {
        let mut heard = self.heard.lock();
        let term = heard.leaders.get(&shard).map_or(0, |known| known.term);
        match leader.filter(|&leader| leader != asked) {
            Some(node) => {
                heard.leaders.insert(shard, Leader { term, node });
            }
            None => {
                heard.leaders.remove(&shard);
            }
        }
    }

    /// `asked` could not be reached: no longer prefer it for `shard`.
    pub(super) fn lost(&self, shard: ShardId, asked: NodeId) {
        let mut heard = self.heard.lock();
        if heard
            .leaders
            .get(&shard)
            .is_some_and(|leader| leader.node == asked)
        {
            heard.leaders.remove(&shard);
        }
        if let Some(sighting) = heard.nodes.get_mut(&asked) {
            sighting.at = sighting.at.checked_sub(SILENCE).unwrap_or(sighting.at);
        }
    }

    pub(super) fn node(&self, node: NodeId) -> NodeGlance {
        let heard = self.heard.lock();
        heard
            .nodes
            .get(&node)
            .map_or_else(NodeGlance::default, |sighting| NodeGlance {
                alive: sighting.is_fresh(),
                memory_bytes: sighting.memory_bytes,
            })
    }

    pub(super) fn shard(&self, shard: ShardId) -> ShardGlance {
        let heard = self.heard.lock();
        let leader = heard
            .leaders
            .get(&shard)
            .map(|leader| leader.node)
            .filter(|node| heard.nodes.get(node).is_some_and(Sighting::is_fresh));
        let mut rows = 0;
        let mut faults = Vec::new();
        for (&node, sighting) in &heard.nodes {
            for report in sighting
                .replicas
                .iter()
                .filter(|report| report.shard == shard)
            {
                // The leader has applied all that was acknowledged; without one, the most anyone has.
                let decides = leader.is_none_or(|leader| leader == node);
                rows = if decides { rows.max(report.rows) } else { rows };
                faults.extend(
                    report
                        .fault
                        .iter()
                        .map(|fault| format!("node {node}: {fault}")),
                );
            }
        }
        ShardGlance {
            leader,
            rows,
            faults,
        }
    }
}

impl Sighting {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(shard: ShardId, term: u64, leader: NodeId) -> ReplicaReport {
        ReplicaReport {
            shard,
            term,
            leader: Some(leader),
            rows: 7,
            fault: None,
        }
    }

    #[test]
    fn the_leader_of_the_latest_term_is_asked() {
        let directory = Directory::default();
        directory.node_announced(1, 0, vec![report(4, 2, 1)]);
        directory.node_announced(2, 0, vec![report(4, 3, 2)]);
        directory.node_announced(3, 0, vec![report(4, 2, 1)]);
        assert_eq!(directory.pick(4, &[1, 2, 3], 0), Some(2));
    }

    #[test]
    fn a_correction_is_believed_at_once() {
        let directory = Directory::default();
        directory.node_announced(1, 0, vec![report(4, 2, 1)]);
        directory.correct(4, 1, Some(3));
        assert_eq!(directory.pick(4, &[1, 2, 3], 0), Some(3));
    }

    #[test]
    fn without_a_leader_every_replica_gets_its_turn() {
        let directory = Directory::default();
        let asked: Vec<_> = (0..3)
            .filter_map(|turn| directory.pick(4, &[1, 2, 3], turn))
            .collect();
        assert_eq!(asked, [1, 2, 3]);
    }

    #[test]
    fn a_lost_leader_is_not_asked_first_again() {
        let directory = Directory::default();
        directory.node_announced(1, 0, vec![report(4, 2, 1)]);
        directory.node_announced(2, 0, vec![]);
        directory.lost(4, 1);
        assert_eq!(directory.pick(4, &[1, 2], 0), Some(2));
        assert!(!directory.node(1).alive);
    }
}
