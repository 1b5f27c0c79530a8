//! Asks for each shard until a replica has answered: one call a node, the next replica at once when
//! one refuses, and beside the first when that takes longer than usual.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable};
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use vectra_cluster::{Consistency, NodeId, ShardId, placement::PlacementMap};
use vectra_wire::v1;

use super::cover::Cover;
use super::latency::Latencies;
use super::leaves::CallError;
use super::patience::{Patience, Trouble};
use super::pending::{Next, Pending};
use super::{Directory, RootError};

/// What a scatter begins with.
pub(super) struct Known<'a> {
    pub(super) directory: &'a Directory,
    pub(super) latencies: &'a Latencies,
    pub(super) maps: watch::Receiver<Arc<PlacementMap>>,
    /// With which of its replicas a shard begins, where any may answer.
    pub(super) turn: usize,
}

/// How shards are to be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) consistency: Consistency,
    /// Whether shards without a replica to answer may be left out.
    pub(super) allow_partial: bool,
    pub(super) patience: Patience,
}

/// What one leaf answered.
pub(super) struct Reply<T> {
    pub(super) answer: T,
    /// The shards of which it tells nothing, and why.
    pub(super) refusals: Vec<v1::NotLeader>,
}

/// What all leaves answered.
pub(super) struct Gathered<T> {
    pub(super) answers: Cover<T>,
    /// The shards left out.
    pub(super) missing: Vec<ShardId>,
}

/// Shards being asked for.
struct Scatter<'a, T> {
    known: Known<'a>,
    terms: Terms,
    now: Instant,
    pending: Vec<Pending>,
    /// The calls on their way, by number.
    calls: BTreeMap<usize, Call>,
    answers: Cover<T>,
    missing: Vec<ShardId>,
    /// Why a replica did not answer, last.
    trouble: Option<Trouble>,
}

/// A call on its way.
struct Call {
    node: NodeId,
    shards: Vec<ShardId>,
    began: Instant,
    abort: AbortHandle,
}

/// Asks for `shards`. `call` asks one node for some of them, within some time; dropped, it cancels.
pub(super) async fn scatter<T, F>(
    known: Known<'_>,
    shards: &[ShardId],
    terms: Terms,
    call: impl Fn(NodeId, Vec<ShardId>, Duration) -> F,
) -> Result<Gathered<T>, RootError>
where
    F: Future<Output = Result<Reply<T>, CallError>>,
{
    let patience = terms.patience;
    let mut scatter = Scatter::new(known, shards, terms);
    let mut under_way = FuturesUnordered::new();
    let mut count = 0;
    loop {
        for (node, shards) in scatter.due()? {
            let reply = call(node, shards.clone(), patience.left());
            let number = count;
            count += 1;
            let (abort, registration) = AbortHandle::new_pair();
            let numbered = async move { (number, reply.await) };
            under_way.push(Abortable::new(numbered, registration));
            scatter.called(number, node, shards, abort);
        }
        if scatter.is_over()? {
            let Scatter {
                answers,
                mut missing,
                ..
            } = scatter;
            // One that was given up may have been answered for after all, along with another.
            missing.retain(|shard| !answers.has(*shard));
            return Ok(Gathered { answers, missing });
        }
        let next = timeout_at(scatter.wakes(), next_of(&mut under_way)).await;
        scatter.now = Instant::now();
        if let Ok((number, reply)) = next {
            scatter.take(number, reply)?;
        }
    }
}

impl<'a, T> Scatter<'a, T> {
    fn new(known: Known<'a>, shards: &[ShardId], terms: Terms) -> Self {
        let mut scatter = Self {
            known,
            terms,
            now: Instant::now(),
            pending: Vec::with_capacity(shards.len()),
            calls: BTreeMap::new(),
            answers: Cover::default(),
            missing: Vec::new(),
            trouble: None,
        };
        let map = scatter.map();
        for &shard in shards {
            let replicas = scatter.replicas(&map, shard);
            let pending = Pending::new(shard, replicas, scatter.now);
            scatter.pending.push(pending);
        }
        scatter
    }

    fn map(&self) -> Arc<PlacementMap> {
        Arc::clone(&self.known.maps.borrow())
    }

    /// The replicas of a shard, those first that are to be asked first.
    fn replicas(&self, map: &PlacementMap, shard: ShardId) -> Vec<NodeId> {
        let mut replicas = replicas_of(map, shard);
        if self.terms.consistency == Consistency::Any && !replicas.is_empty() {
            let first = self.known.turn % replicas.len();
            replicas.rotate_left(first);
        }
        replicas
    }

    /// Whom to ask now, and for which shards.
    fn due(&mut self) -> Result<BTreeMap<NodeId, Vec<ShardId>>, RootError> {
        let mut due: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        let patience = self.known.latencies.patience();
        let mut pending = std::mem::take(&mut self.pending);
        for one in pending.iter_mut().filter(|one| one.due <= self.now) {
            match one.next(self.known.directory, self.terms.consistency) {
                Next::Ask(node) => {
                    for late in one.asked() {
                        self.known.directory.late(*late);
                    }
                    one.ask(node, patience, self.now);
                    due.entry(node).or_default().push(one.shard);
                }
                Next::NewRound => {
                    let replicas = self.replicas(&self.map(), one.shard);
                    one.begin_round(replicas, self.now);
                }
                Next::Fail(reason) => return Err(RootError::Internal(reason)),
            }
        }
        self.pending = pending;
        Ok(due)
    }

    fn called(&mut self, number: usize, node: NodeId, shards: Vec<ShardId>, abort: AbortHandle) {
        let call = Call {
            node,
            shards,
            began: self.now,
            abort,
        };
        self.calls.insert(number, call);
    }

    /// Whether nothing is left to wait for; what to answer if that is because there is no time left.
    fn is_over(&mut self) -> Result<bool, RootError> {
        let patience = self.terms.patience;
        let is_last = patience.is_over();
        if self.terms.allow_partial {
            let directory = self.known.directory;
            let given_up = |one: &mut Pending| is_last || one.is_hopeless(directory);
            let given_up = self.pending.extract_if(.., given_up);
            self.missing.extend(given_up.map(|one| one.shard));
        }
        if is_last && !self.pending.is_empty() {
            let silent = self.pending.iter().find_map(|one| one.asked().first());
            let trouble = self.trouble.take().or_else(|| silent.map(silence));
            let shards = self.pending.iter().map(|one| one.shard).collect();
            return Err(patience.over(shards, trouble.unwrap_or_default()));
        }
        Ok(self.pending.is_empty())
    }

    /// When there is something to do even if nobody answers.
    fn wakes(&self) -> Instant {
        let end = self.terms.patience.end();
        let due = self.pending.iter().map(|one| one.due).min();
        due.map_or(end, |due| due.min(end))
    }

    /// A call has come to its end.
    fn take(&mut self, number: usize, reply: Result<Reply<T>, CallError>) -> Result<(), RootError> {
        let Some(call) = self.calls.remove(&number) else {
            return Ok(());
        };
        let (node, now) = (call.node, self.now);
        match reply {
            Ok(reply) => self.take_answer(&call, reply),
            Err(CallError::Overloaded(reason)) => return Err(RootError::Overloaded(reason)),
            Err(CallError::Failed(reason)) => {
                self.known.directory.answered(node);
                for one in asked_for(&mut self.pending, &call.shards) {
                    one.fail(node, reason.clone(), now);
                }
            }
            // Its own deadline: there is nothing to learn from that.
            Err(_) if self.terms.patience.is_over() => return Ok(()),
            Err(lost) => {
                self.trouble = Some(lost.trouble(node));
                for shard in &call.shards {
                    self.known.directory.lost(*shard, node);
                }
                for one in asked_for(&mut self.pending, &call.shards) {
                    one.refuse(node, None, now);
                }
            }
        }
        self.cancel_forestalled();
        Ok(())
    }

    fn take_answer(&mut self, call: &Call, reply: Reply<T>) {
        let Reply { answer, refusals } = reply;
        let (node, now) = (call.node, self.now);
        self.known.directory.answered(node);
        let mut told = call.shards.clone();
        for refusal in refusals {
            told.retain(|shard| *shard != refusal.shard);
            // One that may not answer for another reason says nothing about who leads.
            if self.terms.consistency != Consistency::Any {
                let directory = self.known.directory;
                directory.correct(refusal.shard, node, refusal.leader);
            }
            for one in asked_for(&mut self.pending, &[refusal.shard]) {
                one.refuse(node, refusal.leader, now);
            }
            self.trouble = Some(Trouble::Refused(refusal.reason));
        }
        if told.is_empty() {
            return;
        }
        self.known.latencies.note(now - call.began);
        self.answers.offer(told.clone(), answer);
        let Self {
            pending, answers, ..
        } = self;
        pending.retain(|one| !answers.has(one.shard));
        for one in asked_for(pending, &told) {
            one.ask_again(node, now);
        }
    }

    /// Cancels the calls that nobody waits for, because others have answered for all of their shards.
    fn cancel_forestalled(&mut self) {
        let Self {
            known,
            now,
            pending,
            calls,
            ..
        } = self;
        calls.retain(|_, call| {
            let is_awaited = pending.iter().any(|one| call.shards.contains(&one.shard));
            if !is_awaited {
                known.latencies.note(*now - call.began);
                call.abort.abort();
            }
            is_awaited
        });
    }
}

fn asked_for<'a>(
    pending: &'a mut [Pending],
    shards: &'a [ShardId],
) -> impl Iterator<Item = &'a mut Pending> {
    pending.iter_mut().filter(|one| shards.contains(&one.shard))
}

/// The nodes that may answer for a shard: those that hold it, and then, as long as it is on its way
/// to others, those.
pub(super) fn replicas_of(map: &PlacementMap, shard: ShardId) -> Vec<NodeId> {
    let Some(placed) = map.shards.get(&shard) else {
        return Vec::new();
    };
    let mut replicas = placed.replicas.clone();
    let coming = placed.hosts();
    replicas.extend(coming.iter().filter(|node| !placed.replicas.contains(node)));
    replicas
}

/// The next call that comes to its end, other than by being cancelled; never, if there is none.
async fn next_of<T, F: Future<Output = T>>(under_way: &mut FuturesUnordered<Abortable<F>>) -> T {
    loop {
        match under_way.next().await {
            Some(Ok(ended)) => return ended,
            Some(Err(_cancelled)) => {}
            None => std::future::pending().await,
        }
    }
}

/// A node took the call and did not answer it in time.
fn silence(node: &NodeId) -> Trouble {
    super::leaves::silent(*node).trouble(*node)
}
