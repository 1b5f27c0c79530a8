//! How many searches each node is asked for at the same time: as many as it answers in good time.
//!
//! What is more waits here for a moment and is refused then (429): a client is better told at once to
//! come back than, when its deadline has passed, that it waited for nothing. Each node has a count of
//! its own, so that one that is slow holds up only what it is asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use vectra_cluster::NodeId;

use super::leaves::CallError;

/// What every node is asked for at first, at the least, and at the most.
const FIRST: usize = 8;
const LEAST: usize = 2;
const MOST: usize = 1_024;

/// An answer is in good time if it took no more than this part of the time that there was, and no search waits
/// for its turn any longer. Under overload that is what a search takes, twice: the rest is for what the
/// measure does not see, a load that doubles within a moment and a coordinator that is itself busy.
const GOOD_TIME: u32 = 8;

/// A node that has answered nothing for so long is not slow but silent: what it is asked for less would not help.
const SILENT: Duration = Duration::from_millis(500);

/// The searches that every node is asked for.
#[derive(Default)]
pub(super) struct Pace {
    nodes: Mutex<HashMap<NodeId, Arc<NodePace>>>,
}

/// The searches that one node is asked for.
struct NodePace {
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many may be under way.
    limit: usize,
    /// How many turns there are: more than `limit` until enough of them are given back.
    turns: usize,
    under_way: usize,
    answered: Option<Instant>,
    answers: u64,
}

/// A search that has its turn; over when dropped.
pub(super) struct Turn {
    pace: Arc<NodePace>,
    permit: Option<OwnedSemaphorePermit>,
    began: Instant,
    good_time: Duration,
    is_answered: bool,
}

impl Pace {
    /// How many searches of `node` have their turn, and how many may have it.
    pub(super) fn under_way(&self, node: NodeId) -> (usize, usize) {
        let nodes = self.nodes.lock();
        nodes.get(&node).map_or((0, FIRST), |node| {
            let state = node.state.lock();
            (state.under_way, state.limit)
        })
    }

    /// Waits for the turn of a search of `node` that must be answered `within` this time.
    pub(super) async fn turn(&self, node: NodeId, within: Duration) -> Result<Turn, CallError> {
        let pace = Arc::clone(
            self.nodes
                .lock()
                .entry(node)
                .or_insert_with(|| Arc::new(NodePace::new())),
        );
        let good_time = within / GOOD_TIME;
        let permit = loop {
            let before = pace.state.lock().answers;
            let turn = Arc::clone(&pace.turns).acquire_owned();
            match timeout(good_time, turn).await {
                Ok(Ok(permit)) => break permit,
                Ok(Err(_)) => return Err(CallError::NotSent("no turns are given".to_owned())),
                Err(_) => {
                    let (answers, limit) = pace.answers_and_limit();
                    // Not slow but silent, or those before this one wait for a shard's leader: refusing clients
                    // would not help. Whoever asks gives up at its own deadline.
                    if answers - before < limit as u64 {
                        continue;
                    }
                    return Err(CallError::Overloaded(format!(
                        "node {node} is asked for {limit} searches already, as many as it answers in \
                         good time; try again in a moment"
                    )));
                }
            }
        };
        pace.state.lock().under_way += 1;
        Ok(Turn {
            pace,
            permit: Some(permit),
            began: Instant::now(),
            good_time,
            is_answered: false,
        })
    }
}

impl NodePace {
    fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(FIRST)),
            state: Mutex::new(State {
                limit: FIRST,
                turns: FIRST,
                under_way: 0,
                answered: None,
                answers: 0,
            }),
        }
    }

    fn is_silent(&self) -> bool {
        let answered = self.state.lock().answered;
        answered.is_none_or(|at| at.elapsed() > SILENT)
    }

    fn answers_and_limit(&self) -> (u64, usize) {
        let state = self.state.lock();
        (state.answers, state.limit)
    }
}

impl State {
    /// One more was answered in good time: where that is about all there may be, there may be more.
    fn answered_well(&mut self) {
        if self.under_way * 2 >= self.limit && self.limit < MOST {
            self.limit += 1;
        }
    }

    fn answered_late(&mut self) {
        self.limit = (self.limit - self.limit.div_ceil(64)).max(LEAST);
    }
}

impl Turn {
    /// The node has answered for what it was asked for.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let is_late = now - self.began > self.good_time;
        let is_silent = self.pace.is_silent();
        let mut state = self.pace.state.lock();
        if self.is_answered {
            state.answered = Some(now);
            state.answers += 1;
        }
        match (self.is_answered, is_late) {
            (true, false) => state.answered_well(),
            (true, true) => state.answered_late(),
            // Nobody waits for it any more. Of a node that answers others, that is an answer too.
            (false, true) if !is_silent => state.answered_late(),
            (false, _) => {}
        }
        state.under_way -= 1;
        if state.turns > state.limit {
            state.turns -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        } else if state.turns < state.limit {
            let more = state.limit - state.turns;
            state.turns = state.limit;
            self.pace.turns.add_permits(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    const WITHIN: Duration = Duration::from_millis(200);
    const NODE: NodeId = 7;

    async fn turns(pace: &Pace, count: usize) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.push(pace.turn(NODE, WITHIN).await.unwrap());
        }
        turns
    }

    fn limit(pace: &Pace) -> usize {
        pace.nodes.lock()[&NODE].state.lock().limit
    }

    #[tokio::test]
    async fn a_node_that_answers_in_good_time_is_asked_for_more() {
        let pace = Pace::default();
        for turn in turns(&pace, FIRST).await {
            turn.answered();
        }
        assert!(limit(&pace) > FIRST, "{}", limit(&pace));
        let more = limit(&pace);
        assert_eq!(turns(&pace, more).await.len(), more);
    }

    #[tokio::test]
    async fn one_that_is_late_is_asked_for_less_and_what_is_more_refused() {
        let pace = Pace::default();
        for _ in 0..3 {
            let asked = turns(&pace, limit_or(&pace, FIRST)).await;
            tokio::time::sleep(WITHIN / 2).await;
            asked.into_iter().for_each(Turn::answered);
        }
        let less = limit(&pace);
        assert!(less < FIRST, "{less}");
        let asked = turns(&pace, less).await;
        let within = WITHIN * GOOD_TIME;
        let answers = async {
            tokio::time::sleep(WITHIN / 2).await;
            asked.into_iter().for_each(Turn::answered);
        };
        let next = join_all((0..less).map(|_| pace.turn(NODE, within)));
        let (next, refused, ()) = tokio::join!(next, pace.turn(NODE, within), answers);
        assert!(next.iter().all(Result::is_ok));
        assert!(matches!(refused, Err(CallError::Overloaded(_))));
        assert!(pace.turn(NODE + 1, WITHIN).await.is_ok(), "another node");
    }

    #[tokio::test]
    async fn a_silent_node_refuses_nobody_and_is_no_slower_when_it_is_back() {
        let pace = Pace::default();
        let asked = turns(&pace, FIRST).await;
        let waits = timeout(2 * SILENT, pace.turn(NODE, WITHIN)).await;
        assert!(waits.is_err(), "it waits on");
        drop(asked);
        assert_eq!(limit(&pace), FIRST);
    }

    #[tokio::test]
    async fn one_that_answers_few_because_most_wait_for_something_refuses_nobody() {
        let pace = Pace::default();
        let mut asked = turns(&pace, FIRST).await;
        let answers_one = async {
            tokio::time::sleep(WITHIN / 4).await;
            asked.pop().unwrap().answered();
        };
        let waits = timeout(SILENT, pace.turn(NODE, WITHIN));
        let (waits, ()) = tokio::join!(waits, answers_one);
        assert!(waits.is_err(), "it waits on");
    }

    fn limit_or(pace: &Pace, first: usize) -> usize {
        let nodes = pace.nodes.lock();
        nodes
            .get(&NODE)
            .map_or(first, |node| node.state.lock().limit)
    }
}
