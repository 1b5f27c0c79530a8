//! Leaves that answer, refuse, fail or are silent, as each test wants.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vectra_cluster::placement::{PlacementMap, Shard, ShardNode};
use vectra_cluster::{Consistency, NodeId, ShardId};
use vectra_wire::v1;

use super::latency::Latencies;
use super::leaves::CallError;
use super::patience::Patience;
use super::scatter::{Known, Reply, Terms, scatter};
use super::spread::Spread;
use super::target::Target;
use super::{Directory, NodeFigures, RootError};

/// What a node does with a call, by the number of the call to it.
type Behaviour = fn(usize) -> Deed;

enum Deed {
    Answer,
    AnswerSplit { splits: usize },
    Refuse { leader: Option<NodeId> },
    Silence,
    Error(CallError),
}

/// Nodes, two shards, each with a replica on each of the nodes given for it, and all calls made.
struct Leaves {
    nodes: BTreeMap<NodeId, Behaviour>,
    replicas: [Vec<NodeId>; 2],
    calls: Mutex<Vec<(NodeId, Vec<ShardId>)>>,
    /// Calls that are on their way.
    open: Arc<()>,
}

/// By which node each shard was answered, and which are missing.
type Outcome = Result<(BTreeMap<ShardId, NodeId>, Vec<ShardId>), RootError>;

impl Leaves {
    fn new(replicas: [&[NodeId]; 2], nodes: &[(NodeId, Behaviour)]) -> Self {
        Self {
            nodes: nodes.iter().copied().collect(),
            replicas: replicas.map(<[NodeId]>::to_vec),
            calls: Mutex::default(),
            open: Arc::default(),
        }
    }

    async fn ask(&self, consistency: Consistency, allow_partial: bool, time: Duration) -> Outcome {
        let directory = Directory::default();
        for node in self.nodes.keys() {
            directory.node_announced(*node, NodeFigures::default(), Vec::new());
        }
        let mut map = PlacementMap::default();
        for node in self.nodes.keys() {
            let placed = ShardNode {
                grpc: format!("node-{node}:8100"),
                http: None,
                draining: false,
            };
            map.nodes.insert(*node, placed);
        }
        let mut targets = Vec::new();
        for (shard, replicas) in (1..).zip(&self.replicas) {
            let (first, last) = (100 * shard, 100 * shard + 99);
            let placed = Shard::new("default", first, last, replicas.clone());
            targets.push(Target::all_of(shard, &placed));
            map.shards.insert(shard, placed);
        }
        let (_sender, maps) = watch::channel(Arc::new(map));
        let latencies = Latencies::default();
        let known = Known {
            directory: &directory,
            hedge_after: latencies.patience(),
            latencies: &latencies,
            maps,
            order: self.nodes.keys().copied().collect(),
            share_cores: false,
        };
        let terms = Terms {
            consistency,
            spread: Spread::of_fetch(consistency),
            allow_partial,
            patience: Patience::until(Instant::now() + time),
        };
        let call = |node, targets, _| self.call(node, targets);
        let gathered = scatter(known, &targets, terms, call).await?;
        let mut by_shard = BTreeMap::new();
        for (node, shards) in gathered.answers.into_answers() {
            for shard in shards {
                assert_eq!(by_shard.insert(shard, node), None, "told of twice");
            }
        }
        Ok((by_shard, gathered.missing))
    }

    async fn call(
        &self,
        node: NodeId,
        targets: Vec<Target>,
    ) -> Result<Reply<(NodeId, Vec<ShardId>)>, CallError> {
        let _open = self.open.clone();
        let shards: Vec<ShardId> = targets.iter().map(|target| target.shard).collect();
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((node, shards.clone()));
            calls.iter().filter(|(to, _)| *to == node).count()
        };
        let refusal = |leader| {
            move |&shard: &ShardId| v1::NotLeader {
                shard,
                leader,
                reason: "as the test wants".to_owned(),
            }
        };
        match self.nodes[&node](number) {
            Deed::Answer => Ok(Reply {
                answer: (node, shards),
                refusals: Vec::new(),
                children: Vec::new(),
            }),
            // Knows of the splits of shard 1: [150, 199] to shard 7, then [125, 149] to shard 8.
            Deed::AnswerSplit { splits } => Ok(Reply {
                answer: (node, shards),
                refusals: Vec::new(),
                children: targets
                    .iter()
                    .filter(|target| target.shard == 1)
                    .map(|target| v1::Children {
                        shard: 1,
                        children: [(7, 150, 199), (8, 125, 149)][..splits]
                            .iter()
                            .skip(target.splits as usize)
                            .map(|&(shard, first, last)| v1::Child { shard, first, last })
                            .collect(),
                    })
                    .collect(),
            }),
            Deed::Refuse { leader } => Ok(Reply {
                refusals: shards.iter().map(refusal(leader)).collect(),
                answer: (node, Vec::new()),
                children: Vec::new(),
            }),
            Deed::Silence => pending().await,
            Deed::Error(error) => Err(error),
        }
    }

    fn asked(&self) -> Vec<NodeId> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(node, _)| *node).collect()
    }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

const ANSWERS: Behaviour = |_| Deed::Answer;
const SILENT: Behaviour = |_| Deed::Silence;
const REFUSES: Behaviour = |_| Deed::Refuse { leader: None };
const GONE: Behaviour = |_| Deed::Error(CallError::NotSent("connection refused".to_owned()));
const BROKEN: Behaviour = |_| Deed::Error(CallError::Failed("the disk is broken".to_owned()));
const BUSY: Behaviour = |_| Deed::Error(CallError::Overloaded("too much".to_owned()));

fn by(node: NodeId) -> BTreeMap<ShardId, NodeId> {
    BTreeMap::from([(1, node), (2, node)])
}

#[tokio::test]
async fn one_call_a_node_is_enough_when_all_is_well() {
    let leaves = Leaves::new([&[1, 2], &[1, 2]], &[(1, ANSWERS), (2, ANSWERS)]);
    let answered = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!(answered, (by(1), Vec::new()));
    assert_eq!(*leaves.calls.lock().unwrap(), [(1, vec![1, 2])]);
}

#[tokio::test]
async fn where_any_may_answer_one_node_answers_for_all_that_it_holds() {
    let nodes = [(1, ANSWERS), (2, ANSWERS), (3, ANSWERS)];
    let leaves = Leaves::new([&[2, 3, 1], &[3, 1, 2]], &nodes);
    let answered = leaves.ask(Consistency::Any, false, LONG).await.unwrap();
    assert_eq!(answered, (by(1), Vec::new()));
    assert_eq!(*leaves.calls.lock().unwrap(), [(1, vec![1, 2])]);
}

#[tokio::test]
async fn another_replica_answers_for_a_silent_one_whose_call_is_cancelled() {
    for consistency in [Consistency::Any, Consistency::Leader] {
        let leaves = Leaves::new([&[1, 2], &[1, 2]], &[(1, SILENT), (2, ANSWERS)]);
        let (answered, _) = leaves.ask(consistency, false, LONG).await.unwrap();
        assert_eq!(answered, by(2));
        assert_eq!(leaves.asked(), [1, 2]);
        assert_eq!(Arc::strong_count(&leaves.open), 1, "calls left behind");
    }
}

#[tokio::test]
async fn the_next_replica_is_asked_when_one_refuses_is_gone_or_fails() {
    for first in [REFUSES, GONE, BROKEN] {
        let leaves = Leaves::new([&[1, 2], &[1, 2]], &[(1, first), (2, ANSWERS)]);
        let (answered, _) = leaves.ask(Consistency::Any, false, LONG).await.unwrap();
        assert_eq!(answered, by(2));
        assert_eq!(leaves.asked(), [1, 2]);
    }
}

#[tokio::test]
async fn who_leads_is_asked_next() {
    let nodes: [(NodeId, Behaviour); 3] = [
        (1, |_| Deed::Refuse { leader: Some(3) }),
        (2, ANSWERS),
        (3, ANSWERS),
    ];
    let leaves = Leaves::new([&[1, 2, 3], &[1, 2, 3]], &nodes);
    let (answered, _) = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!((answered, leaves.asked()), (by(3), vec![1, 3]));
}

#[tokio::test]
async fn all_are_asked_again_until_one_has_been_elected() {
    let elected: Behaviour = |call| match call {
        1 | 2 => Deed::Refuse { leader: None },
        _ => Deed::Answer,
    };
    // The one that led is silent.
    let nodes = [(1, SILENT), (2, REFUSES), (3, elected)];
    let leaves = Leaves::new([&[1, 2, 3], &[1, 2, 3]], &nodes);
    let (answered, _) = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!(answered, by(3));
    let to_the_silent_one = leaves.asked().iter().filter(|node| **node == 1).count();
    assert_eq!(to_the_silent_one, 1, "it may still answer");
}

#[tokio::test]
async fn shards_without_a_replica_are_named_or_left_out() {
    let nodes = [(1, ANSWERS), (2, GONE), (3, SILENT)];
    for lost in [2, 3] {
        let leaves = Leaves::new([&[1], &[lost]], &nodes);
        let refused = leaves.ask(Consistency::Leader, false, SHORT).await;
        match refused {
            Err(RootError::Unavailable { shards, .. }) => assert_eq!((lost, shards), (2, vec![2])),
            Err(RootError::Deadline(_)) => assert_eq!(lost, 3),
            other => panic!("{other:?}"),
        }
        let partial = leaves.ask(Consistency::Leader, true, SHORT).await.unwrap();
        assert_eq!(partial, (BTreeMap::from([(1, 1)]), vec![2]));
    }
}

#[tokio::test]
async fn a_search_that_can_do_without_a_dead_node_does_not_wait_for_its_deadline() {
    let leaves = Leaves::new([&[1], &[2]], &[(1, ANSWERS), (2, GONE)]);
    let began = Instant::now();
    let partial = leaves.ask(Consistency::Leader, true, LONG * 60).await;
    assert_eq!(partial.unwrap(), (BTreeMap::from([(1, 1)]), vec![2]));
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "all the time there is"
    );
}

#[tokio::test]
async fn what_nobody_can_do_and_what_is_too_much_is_told_at_once() {
    let leaves = Leaves::new([&[1, 2], &[1, 2]], &[(1, BROKEN), (2, REFUSES)]);
    let failed = leaves.ask(Consistency::Leader, false, LONG).await;
    assert!(matches!(failed, Err(RootError::Internal(_))), "{failed:?}");
    let leaves = Leaves::new([&[1, 2], &[1, 2]], &[(1, BUSY), (2, ANSWERS)]);
    let shed = leaves.ask(Consistency::Leader, false, LONG).await;
    assert!(matches!(shed, Err(RootError::Overloaded(_))), "{shed:?}");
    assert_eq!(leaves.asked(), [1]);
}

#[tokio::test]
async fn what_a_shard_has_split_into_is_asked_for_at_its_replicas() {
    let split: Behaviour = |_| Deed::AnswerSplit { splits: 1 };
    let leaves = Leaves::new([&[1], &[2]], &[(1, split), (2, ANSWERS)]);
    let (answered, missing) = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!(answered, BTreeMap::from([(1, 1), (7, 1), (2, 2)]));
    assert!(missing.is_empty());

    let twice: Behaviour = |_| Deed::AnswerSplit { splits: 2 };
    let leaves = Leaves::new([&[1], &[2]], &[(1, twice), (2, ANSWERS)]);
    let (answered, _) = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!(answered, BTreeMap::from([(1, 1), (7, 1), (8, 1), (2, 2)]));
}

#[tokio::test]
async fn a_child_that_nobody_answers_for_yet_is_waited_for() {
    let not_yet: Behaviour = |call| match call {
        1 => Deed::AnswerSplit { splits: 1 },
        2..=4 => Deed::Refuse { leader: None },
        _ => Deed::Answer,
    };
    let leaves = Leaves::new([&[1], &[2]], &[(1, not_yet), (2, ANSWERS)]);
    let (answered, _) = leaves.ask(Consistency::Leader, false, LONG).await.unwrap();
    assert_eq!(answered, BTreeMap::from([(1, 1), (7, 1), (2, 2)]));

    let never: Behaviour = |call| match call {
        1 => Deed::AnswerSplit { splits: 1 },
        _ => Deed::Refuse { leader: None },
    };
    let leaves = Leaves::new([&[1], &[2]], &[(1, never), (2, ANSWERS)]);
    let refused = leaves.ask(Consistency::Leader, false, SHORT).await;
    assert!(
        matches!(&refused, Err(RootError::Unavailable { shards, .. }) if *shards == [7]),
        "{refused:?}"
    );
    let (answered, missing) = leaves.ask(Consistency::Leader, true, SHORT).await.unwrap();
    assert!(!answered.contains_key(&7));
    assert!(missing.contains(&7) || missing.contains(&1), "{missing:?}");
}
