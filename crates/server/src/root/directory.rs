//! What a coordinator has heard of the nodes lately: who is alive, who leads which shard.
//!
//! Soft state: each coordinator has its own, a new one learns it within a second, and a wrong
//! entry costs one more call. What must be agreed is in the placement map.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use vectra_cluster::placement::{Observed, PlacementMap};
use vectra_cluster::{NodeId, ShardId};
use vectra_wire::v1::{CatchUp, ReplicaReport};

use super::doubles::Admission;
use super::heard::{Heard, Leader, SILENCE, Sighting};

/// Between two looks at who leads.
const LOOK: Duration = Duration::from_millis(100);

/// The answer of a leader that has lost its office may still be on its way for so long.
const LAST_ANSWER: Duration = Duration::from_millis(250);

/// What was heard, by shard and by node.
pub struct Directory {
    heard: Mutex<Heard>,
    /// Nobody was heard of before; a node that is never heard of is silent since then.
    began: Instant,
}

/// What a node says of itself as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeFigures {
    /// Bytes that its shards keep in memory.
    pub memory_bytes: u64,
    /// Bytes of replicas' files that it has sent to other nodes since its start.
    pub sent_bytes: u64,
    /// The machine whose cores it shares with other nodes there; 0 where it shares them with none.
    pub machine: u64,
}

/// One node at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NodeGlance {
    pub(super) alive: bool,
    pub(super) figures: NodeFigures,
}

/// One shard at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShardGlance {
    pub(super) leader: Option<NodeId>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// How many shards have split off, by the same report as the rows.
    pub(super) splits: u32,
    pub(super) faults: Vec<String>,
}

impl Directory {
    /// A shard node announced itself.
    pub fn node_announced(&self, node: NodeId, figures: NodeFigures, replicas: Vec<ReplicaReport>) {
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
                suspected: false,
                figures,
                replicas,
                late: None,
            },
        );
    }

    /// Whether the process that announces itself may be this node.
    pub(super) fn admit(&self, node: NodeId, incarnation: u64, grpc: &str) -> Admission {
        let mut heard = self.heard.lock();
        heard.doubles.admit(node, incarnation, grpc, Instant::now())
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
        heard.likely(replicas, attempt)
    }

    /// Which of `replicas` to ask where any may answer: the first that is not known to be silent.
    pub(super) fn pick_any(&self, replicas: &[NodeId]) -> Option<NodeId> {
        self.heard.lock().likely(replicas, 0)
    }

    /// Who leads a shard, as far as is known.
    pub(super) fn leader(&self, shard: ShardId) -> Option<NodeId> {
        let heard = self.heard.lock();
        heard.leaders.get(&shard).map(|leader| leader.node)
    }

    /// The same nodes, those first that are likely to answer.
    pub(super) fn prompt_first(&self, mut nodes: Vec<NodeId>) -> Vec<NodeId> {
        let heard = self.heard.lock();
        nodes.sort_by_key(|node| !heard.nodes.get(node).is_some_and(Sighting::is_prompt));
        nodes
    }

    /// A call of `asked` takes longer than usual.
    pub(super) fn late(&self, asked: NodeId) {
        if let Some(sighting) = self.heard.lock().nodes.get_mut(&asked) {
            sighting.late.get_or_insert_with(Instant::now);
        }
    }

    /// `asked` has answered a call.
    pub(super) fn answered(&self, asked: NodeId) {
        if let Some(sighting) = self.heard.lock().nodes.get_mut(&asked) {
            sighting.late = None;
        }
    }

    /// Returns once another node than `asked` is known to lead `shard`, elected after this call: what
    /// `asked` was told before and has not answered since may be decided already, but not by waiting.
    pub(super) async fn leads_instead(&self, shard: ShardId, asked: NodeId) -> NodeId {
        let leader = || self.heard.lock().leaders.get(&shard).copied();
        let before = leader().map_or(0, |leader| leader.term);
        let instead = || leader().filter(|later| later.term > before && later.node != asked);
        loop {
            tokio::time::sleep(LOOK).await;
            if instead().is_none() {
                continue;
            }
            tokio::time::sleep(LAST_ANSWER).await;
            if let Some(later) = instead() {
                return later.node;
            }
        }
    }

    /// `asked` said that it does not lead `shard`, and who does if it knows.
    pub(super) fn correct(&self, shard: ShardId, asked: NodeId, leader: Option<NodeId>) {
        let mut heard = self.heard.lock();
        let term = heard.leaders.get(&shard).map_or(0, |known| known.term);
        match leader.filter(|&leader| leader != asked) {
            Some(node) => {
                heard.leaders.insert(shard, Leader { term, node });
            }
            None => heard.forget_leader(shard, asked),
        }
    }

    /// `asked` could not be reached: no longer prefer it for `shard`.
    pub(super) fn lost(&self, shard: ShardId, asked: NodeId) {
        let mut heard = self.heard.lock();
        heard.forget_leader(shard, asked);
        if let Some(sighting) = heard.nodes.get_mut(&asked) {
            sighting.suspected = true;
        }
    }

    /// The machine whose cores a node shares with others there; 0 where it shares them with none, as far as is
    /// known.
    pub(super) fn machine(&self, node: NodeId) -> u64 {
        let heard = self.heard.lock();
        heard
            .nodes
            .get(&node)
            .map_or(0, |sighting| sighting.figures.machine)
    }

    pub(super) fn node(&self, node: NodeId) -> NodeGlance {
        let heard = self.heard.lock();
        heard
            .nodes
            .get(&node)
            .map_or_else(NodeGlance::default, |sighting| NodeGlance {
                alive: sighting.is_fresh(),
                figures: sighting.figures,
            })
    }

    /// What was seen of the nodes and shards of `map`, for the planning of moves.
    pub(super) fn observe(&self, map: &PlacementMap) -> Observed {
        self.heard.lock().observe(map, self.began)
    }

    /// How the copies of a shard on their way get on, as its leader reports.
    pub(super) fn catch_ups(&self, shard: ShardId) -> Vec<CatchUp> {
        let heard = self.heard.lock();
        heard
            .leader_report(shard)
            .and_then(|(_, report)| report.members.as_ref())
            .map(|members| members.catch_ups.clone())
            .unwrap_or_default()
    }

    pub(super) fn shard(&self, shard: ShardId) -> ShardGlance {
        let heard = self.heard.lock();
        let leader = heard
            .leaders
            .get(&shard)
            .map(|leader| leader.node)
            .filter(|node| heard.nodes.get(node).is_some_and(Sighting::is_fresh));
        let (mut rows, mut bytes, mut splits) = (0, 0, 0);
        let mut faults = Vec::new();
        for (&node, sighting) in &heard.nodes {
            for report in sighting
                .replicas
                .iter()
                .filter(|report| report.shard == shard)
            {
                // The leader has applied all that was acknowledged; without one, the most anyone has.
                let decides = leader.is_none_or(|leader| leader == node);
                if decides {
                    rows = rows.max(report.rows);
                    bytes = bytes.max(report.bytes);
                    splits = splits.max(report.splits);
                }
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
            bytes,
            splits,
            faults,
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            heard: Mutex::default(),
            began: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::heard::LATE;

    fn report(shard: ShardId, term: u64, leader: NodeId) -> ReplicaReport {
        ReplicaReport {
            shard,
            term,
            leader: Some(leader),
            rows: 7,
            ..ReplicaReport::default()
        }
    }

    #[test]
    fn the_leader_of_the_latest_term_is_asked() {
        let directory = Directory::default();
        directory.node_announced(1, NodeFigures::default(), vec![report(4, 2, 1)]);
        directory.node_announced(2, NodeFigures::default(), vec![report(4, 3, 2)]);
        directory.node_announced(3, NodeFigures::default(), vec![report(4, 2, 1)]);
        assert_eq!(directory.pick(4, &[1, 2, 3], 0), Some(2));
    }

    #[test]
    fn a_correction_is_believed_at_once() {
        let directory = Directory::default();
        directory.node_announced(1, NodeFigures::default(), vec![report(4, 2, 1)]);
        directory.correct(4, 1, Some(3));
        assert_eq!(directory.pick(4, &[1, 2, 3], 0), Some(3));
    }

    #[test]
    fn one_that_does_not_know_who_leads_does_not_make_a_leader_forgotten() {
        let directory = Directory::default();
        directory.node_announced(1, NodeFigures::default(), vec![report(4, 2, 1)]);
        directory.correct(4, 2, None);
        assert_eq!(directory.pick(4, &[2, 1], 0), Some(1));
        directory.correct(4, 1, None);
        assert_eq!(directory.pick(4, &[2, 1], 0), Some(1), "the one alive");
    }

    #[test]
    fn where_any_may_answer_one_that_is_late_is_asked_after_the_others() {
        let directory = Directory::default();
        for node in 1..=3 {
            directory.node_announced(node, NodeFigures::default(), vec![report(4, 2, 1)]);
        }
        assert_eq!(directory.pick_any(&[2, 3, 1]), Some(2));
        directory.late(2);
        std::thread::sleep(LATE);
        assert_eq!(directory.pick_any(&[2, 3, 1]), Some(3));
        directory.answered(2);
        assert_eq!(directory.pick_any(&[2, 3, 1]), Some(2));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_leader_hears_that_another_was_elected() {
        let directory = Directory::default();
        directory.node_announced(1, NodeFigures::default(), vec![report(4, 2, 1)]);
        let patience = 3 * LOOK;
        let instead = tokio::time::timeout(patience, directory.leads_instead(4, 1)).await;
        assert!(instead.is_err(), "nobody else was elected");
        let (instead, ()) = tokio::join!(directory.leads_instead(4, 1), async {
            tokio::time::sleep(LOOK).await;
            directory.node_announced(3, NodeFigures::default(), vec![report(4, 3, 3)]);
        });
        assert_eq!(instead, 3);
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
        directory.node_announced(1, NodeFigures::default(), vec![report(4, 2, 1)]);
        directory.node_announced(2, NodeFigures::default(), vec![]);
        directory.lost(4, 1);
        assert_eq!(directory.pick(4, &[1, 2], 0), Some(2));
        assert!(!directory.node(1).alive);
    }
}
