//! Asks for each shard until a replica has answered: one call a node, the next replica at once when
//! one refuses, and beside the first when that takes longer than usual.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use vectra_cluster::placement::{Child, PlacementMap};
use vectra_cluster::{Consistency, NodeId, ShardId};
use vectra_wire::v1;

use super::asking::{Asking, replicas_of};
use super::cover::Cover;
use super::latency::Latencies;
use super::leaves::CallError;
use super::patience::{Patience, Trouble};
use super::pending::{Next, Pending};
use super::spread::Spread;
use super::target::{Target, children_of};
use super::{Directory, RootError};

/// What a scatter begins with.
pub(super) struct Known<'a> {
    pub(super) directory: &'a Directory,
    pub(super) latencies: &'a Latencies,
    /// How long an answer may take before another replica is asked as well.
    pub(super) hedge_after: Duration,
    pub(super) maps: watch::Receiver<Arc<PlacementMap>>,
    /// In which order nodes are asked where the fewest are to be, whichever they are.
    pub(super) order: Vec<NodeId>,
    /// Whether all nodes share the cores of one machine.
    pub(super) share_cores: bool,
}

/// How shards are to be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) consistency: Consistency,
    pub(super) spread: Spread,
    /// Whether shards without a replica to answer may be left out.
    pub(super) allow_partial: bool,
    pub(super) patience: Patience,
}

/// What one leaf answered.
pub(super) struct Reply<T> {
    pub(super) answer: T,
    /// The shards of which it tells nothing, and why.
    pub(super) refusals: Vec<v1::NotLeader>,
    /// The shards that have split off and that the call did not know of.
    pub(super) children: Vec<v1::Children>,
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
    asking: Asking,
    terms: Terms,
    now: Instant,
    pending: Vec<Pending>,
    /// The calls on their way, by number.
    calls: BTreeMap<usize, Call>,
    answers: Cover<T>,
    missing: Vec<Target>,
    /// Why a replica did not answer, last.
    trouble: Option<Trouble>,
}

/// A call on its way.
struct Call {
    node: NodeId,
    targets: Vec<Target>,
    began: Instant,
    abort: AbortHandle,
}

/// Asks for `targets`, and for those that they turn out to have split into. `call` asks one node for some
/// of them, within some time; dropped, it cancels.
pub(super) async fn scatter<T, F>(
    known: Known<'_>,
    targets: &[Target],
    terms: Terms,
    call: impl Fn(NodeId, Vec<Target>, Duration) -> F,
) -> Result<Gathered<T>, RootError>
where
    F: Future<Output = Result<Reply<T>, CallError>>,
{
    let patience = terms.patience;
    let mut scatter = Scatter::new(known, targets, terms);
    let mut under_way = FuturesUnordered::new();
    let mut count = 0;
    loop {
        for (node, targets) in scatter.due()? {
            let reply = call(node, targets.clone(), patience.left());
            let number = count;
            count += 1;
            let (abort, registration) = AbortHandle::new_pair();
            // An async block would keep the call twice over.
            let numbered = reply.map(move |reply| (number, reply));
            under_way.push(Abortable::new(numbered, registration));
            scatter.called(number, node, targets, abort);
        }
        if scatter.is_over()? {
            let Scatter {
                answers,
                mut missing,
                ..
            } = scatter;
            // One that was given up may have been answered for after all, along with another.
            missing.retain(|target| !answers.has(target.range));
            let missing = missing.iter().map(|target| target.shard).collect();
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
    fn new(known: Known<'a>, targets: &[Target], terms: Terms) -> Self {
        let map = Arc::clone(&known.maps.borrow());
        let asking = match terms.spread {
            Spread::OverLeaders => Asking::default(),
            Spread::OverFewestNodes => {
                let shards = targets
                    .iter()
                    .filter_map(|target| map.shards.get(&target.shard));
                let order = known.directory.prompt_first(known.order.clone());
                Asking::of_few(order, shards, known.share_cores)
            }
        };
        let mut scatter = Self {
            known,
            asking,
            terms,
            now: Instant::now(),
            pending: Vec::with_capacity(targets.len()),
            calls: BTreeMap::new(),
            answers: Cover::default(),
            missing: Vec::new(),
            trouble: None,
        };
        for &target in targets {
            let replicas = scatter.replicas(&map, target.shard);
            let pending = Pending::new(target, replicas, scatter.now);
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
        if self.terms.spread == Spread::OverFewestNodes {
            let leader = self.known.directory.leader(shard);
            self.asking
                .sort(&mut replicas, map.shards.get(&shard), leader);
        }
        replicas
    }

    /// Whom to ask now, and for which shards.
    fn due(&mut self) -> Result<BTreeMap<NodeId, Vec<Target>>, RootError> {
        let mut due: BTreeMap<NodeId, Vec<Target>> = BTreeMap::new();
        let mut pending = std::mem::take(&mut self.pending);
        for one in pending.iter_mut().filter(|one| one.due <= self.now) {
            match one.next(self.known.directory, self.terms.spread) {
                Next::Ask(node) => {
                    for late in one.asked() {
                        self.known.directory.late(*late);
                    }
                    one.ask(node, self.known.hedge_after, self.now);
                    due.entry(node).or_default().push(one.target);
                }
                Next::NewRound => {
                    let replicas = self.replicas(&self.map(), one.shard());
                    one.begin_round(replicas, self.now);
                }
                Next::Fail(reason) => return Err(RootError::Internal(reason)),
            }
        }
        self.pending = pending;
        Ok(due)
    }

    fn called(&mut self, number: usize, node: NodeId, targets: Vec<Target>, abort: AbortHandle) {
        let call = Call {
            node,
            targets,
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
            self.missing.extend(given_up.map(|one| one.target));
        }
        if is_last && !self.pending.is_empty() {
            let silent = self.pending.iter().find_map(|one| one.asked().first());
            let trouble = self.trouble.take().or_else(|| silent.map(silence));
            let shards = self.pending.iter().map(Pending::shard).collect();
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
                for one in asked_for(&mut self.pending, &call.targets) {
                    one.fail(node, reason.clone(), now);
                }
            }
            // Its own deadline: there is nothing to learn from that.
            Err(_) if self.terms.patience.is_over() => return Ok(()),
            Err(lost) => {
                self.trouble = Some(lost.trouble(node));
                for target in &call.targets {
                    self.known.directory.lost(target.shard, node);
                }
                for one in asked_for(&mut self.pending, &call.targets) {
                    one.refuse(node, None, now);
                }
            }
        }
        self.cancel_forestalled();
        Ok(())
    }

    fn take_answer(&mut self, call: &Call, reply: Reply<T>) {
        let Reply {
            answer,
            refusals,
            children,
        } = reply;
        let (node, now) = (call.node, self.now);
        self.known.directory.answered(node);
        let mut told = call.targets.clone();
        for refusal in refusals {
            told.retain(|target| target.shard != refusal.shard);
            // One that may not answer for another reason says nothing about who leads.
            if self.terms.consistency != Consistency::Any {
                let directory = self.known.directory;
                directory.correct(refusal.shard, node, refusal.leader);
            }
            let refused = call.targets.iter();
            let refused = refused.filter(|target| target.shard == refusal.shard);
            for one in asked_for(&mut self.pending, &refused.copied().collect::<Vec<_>>()) {
                one.refuse(node, refusal.leader, now);
            }
            self.trouble = Some(Trouble::Refused(refusal.reason));
        }
        if told.is_empty() {
            return;
        }
        self.known.latencies.note(now - call.began);
        let mut ranges = Vec::with_capacity(told.len());
        for target in &told {
            let of_it = children.iter().find(|of| of.shard == target.shard);
            let children = of_it.map(children_of).unwrap_or_default();
            ranges.extend(target.without(&children).map(|left| left.range));
            self.split(target, &children);
        }
        self.answers.offer(ranges, answer);
        let Self {
            pending, answers, ..
        } = self;
        pending.retain(|one| !answers.has(one.target.range));
        for one in asked_for(pending, &told) {
            one.ask_again(node, now);
        }
    }

    /// A shard that was asked for has split: asks for its children too.
    fn split(&mut self, asked: &Target, children: &[Child]) {
        if children.is_empty() {
            return;
        }
        let map = self.map();
        let own = self.replicas(&map, asked.shard);
        // What others have told before may be newer.
        let is_news = |one: &Pending| one.target.splits == asked.splits;
        self.pending.retain_mut(|one| {
            if one.shard() != asked.shard || !is_news(one) {
                return true;
            }
            let left = one.target.without(children);
            one.target = left.unwrap_or(one.target);
            left.is_some()
        });
        for target in children.iter().filter_map(|child| asked.part_of(child)) {
            let is_asked_for = self.pending.iter().any(|one| one.shard() == target.shard);
            if is_asked_for || self.answers.has(target.range) {
                continue;
            }
            let mut replicas = self.replicas(&map, target.shard);
            if replicas.is_empty() {
                replicas.clone_from(&own);
            }
            self.pending.push(Pending::new(target, replicas, self.now));
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
            let is_awaited =
                |target: &Target| pending.iter().any(|one| one.shard() == target.shard);
            let is_awaited = call.targets.iter().any(is_awaited);
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
    targets: &'a [Target],
) -> impl Iterator<Item = &'a mut Pending> {
    let is_asked = |one: &&mut Pending| targets.iter().any(|target| target.shard == one.shard());
    pending.iter_mut().filter(is_asked)
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
