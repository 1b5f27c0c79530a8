//! One shard that has not answered yet: who was asked, and who is next.

use std::time::Duration;

use tokio::time::Instant;
use vectra_cluster::{NodeId, ShardId};

use super::Directory;
use super::patience::pause;
use super::spread::Spread;
use super::target::Target;

/// While one replica is silent and the others have refused, they are asked again after this time: an
/// election takes longer.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A shard none of whose replicas is alive is given up after so many rounds, by a search that can do
/// without it.
const ROUNDS: usize = 3;

/// A shard on its way to an answer. Its replicas are asked one after the other: the next one at once
/// when one refuses or cannot be reached, and when one takes longer than usual, beside it. When all
/// were asked, a new round begins after a pause.
pub(super) struct Pending {
    pub(super) target: Target,
    replicas: Vec<NodeId>,
    asked: Vec<NodeId>,
    refused: Vec<NodeId>,
    rounds: usize,
    /// When the next replica is to be asked.
    pub(super) due: Instant,
    /// A leaf could not do it, and would not be able to a second time.
    failure: Option<String>,
}

/// What to do about a shard that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ask(NodeId),
    /// All were asked.
    NewRound,
    /// Nobody else can do what a leaf has failed at.
    Fail(String),
}

impl Pending {
    pub(super) fn new(target: Target, replicas: Vec<NodeId>, now: Instant) -> Self {
        Self {
            target,
            replicas,
            asked: Vec::new(),
            refused: Vec::new(),
            rounds: 0,
            due: now,
            failure: None,
        }
    }

    pub(super) fn shard(&self) -> ShardId {
        self.target.shard
    }

    /// Whom to ask now, by what is known of the nodes.
    pub(super) fn next(&self, directory: &Directory, spread: Spread) -> Next {
        let free = self.free();
        let next = match spread {
            Spread::OverFewestNodes => directory.pick_any(&free),
            Spread::OverLeaders => directory.pick(self.shard(), &free, 0),
        };
        match (next, &self.failure) {
            (Some(node), _) => Next::Ask(node),
            (None, Some(reason)) if self.asked.is_empty() => Next::Fail(reason.clone()),
            (None, _) => Next::NewRound,
        }
    }

    fn free(&self) -> Vec<NodeId> {
        let is_free = |node: &NodeId| !self.asked.contains(node) && !self.refused.contains(node);
        self.replicas.iter().copied().filter(is_free).collect()
    }

    /// Those that were asked and are silent.
    pub(super) fn asked(&self) -> &[NodeId] {
        &self.asked
    }

    /// `node` is being asked; the next one will be if it does not answer for so long.
    pub(super) fn ask(&mut self, node: NodeId, patience: Duration, now: Instant) {
        self.asked.push(node);
        self.due = if self.free().is_empty() {
            now + LOOK_AGAIN
        } else {
            now + patience
        };
    }

    /// `node` will not answer for this shard, or cannot.
    pub(super) fn refuse(&mut self, node: NodeId, leader: Option<NodeId>, now: Instant) {
        self.asked.retain(|asked| *asked != node);
        self.refused.push(node);
        let still_leads = leader.is_some_and(|leader| self.asked.contains(&leader));
        self.due = if still_leads { now + LOOK_AGAIN } else { now };
    }

    /// `node` has answered, but this answer is not needed: it may be asked again.
    pub(super) fn ask_again(&mut self, node: NodeId, now: Instant) {
        self.asked.retain(|asked| *asked != node);
        self.due = now;
    }

    /// `node` could not do it.
    pub(super) fn fail(&mut self, node: NodeId, reason: String, now: Instant) {
        self.failure = Some(reason);
        self.refuse(node, None, now);
    }

    /// All were asked: after a pause, it is the turn of those that refused. `replicas` are none if the
    /// map does not know the shard yet: then they are those of the one that it split off from.
    pub(super) fn begin_round(&mut self, replicas: Vec<NodeId>, now: Instant) {
        self.rounds += 1;
        self.refused.clear();
        if !replicas.is_empty() {
            self.replicas = replicas;
        }
        self.due = if self.asked.is_empty() {
            now + pause(self.rounds)
        } else {
            now + LOOK_AGAIN
        };
    }

    /// Whether nobody is there to wait for.
    pub(super) fn is_hopeless(&self, directory: &Directory) -> bool {
        let is_alive = |node: &NodeId| directory.node(*node).alive;
        self.rounds >= ROUNDS && !self.replicas.iter().any(is_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::NodeFigures;
    use vectra_cluster::placement::HashRange;

    const LATE: Duration = Duration::from_millis(50);

    fn pending() -> (Pending, Directory, Instant) {
        let directory = Directory::default();
        for node in 1..=3 {
            directory.node_announced(node, NodeFigures::default(), Vec::new());
        }
        let now = Instant::now();
        let range = HashRange { first: 0, last: 9 };
        let target = Target {
            shard: 7,
            range,
            splits: 0,
        };
        (Pending::new(target, vec![1, 2, 3], now), directory, now)
    }

    fn next(pending: &Pending, directory: &Directory) -> Next {
        pending.next(directory, Spread::OverLeaders)
    }

    #[tokio::test]
    async fn each_replica_is_asked_once_a_round_and_at_once_after_a_refusal() {
        let (mut pending, directory, now) = pending();
        for node in 1..=3 {
            assert_eq!(next(&pending, &directory), Next::Ask(node));
            pending.ask(node, LATE, now);
            let nobody_else = node == 3;
            let patience = if nobody_else { LOOK_AGAIN } else { LATE };
            assert_eq!(pending.due, now + patience);
            pending.refuse(node, None, now);
            assert_eq!(pending.due, now);
        }
        assert_eq!(next(&pending, &directory), Next::NewRound);
        pending.begin_round(vec![1, 2, 3], now);
        assert!(pending.due > now);
        assert_eq!(next(&pending, &directory), Next::Ask(1));
    }

    #[tokio::test]
    async fn one_that_is_late_is_not_asked_again_while_it_may_answer() {
        let (mut pending, directory, now) = pending();
        pending.ask(1, LATE, now);
        assert_eq!(next(&pending, &directory), Next::Ask(2));
        pending.ask(2, LATE, now);
        pending.refuse(2, Some(1), now);
        assert!(pending.due > now, "it said that the late one still leads");
        pending.refuse(3, Some(2), now);
        assert_eq!(pending.due, now);
        assert_eq!(next(&pending, &directory), Next::NewRound);
        pending.begin_round(vec![1, 2, 3], now);
        assert_eq!(next(&pending, &directory), Next::Ask(2));
    }

    #[tokio::test]
    async fn a_failure_counts_once_nobody_else_can_answer() {
        let (mut pending, directory, now) = pending();
        pending.ask(1, LATE, now);
        pending.ask(2, LATE, now);
        pending.fail(1, "the disk is broken".to_owned(), now);
        assert_eq!(next(&pending, &directory), Next::Ask(3));
        pending.refuse(3, None, now);
        assert_eq!(next(&pending, &directory), Next::NewRound);
        pending.refuse(2, None, now);
        let failed = Next::Fail("the disk is broken".to_owned());
        assert_eq!(next(&pending, &directory), failed);
    }

    #[tokio::test]
    async fn a_shard_is_hopeless_when_nobody_is_alive_after_a_few_rounds() {
        let (mut pending, directory, now) = pending();
        let round = |pending: &mut Pending| pending.begin_round(vec![1, 2, 3], now);
        (1..=3).for_each(|node| directory.lost(7, node));
        assert!(!pending.is_hopeless(&directory), "not tried yet");
        (0..ROUNDS).for_each(|_| round(&mut pending));
        assert!(pending.is_hopeless(&directory));
        directory.node_announced(2, NodeFigures::default(), Vec::new());
        assert!(!pending.is_hopeless(&directory));
    }
}
