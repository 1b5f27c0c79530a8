//! Reads: whether this replica may answer, and with which state.

use std::sync::Arc;
use std::time::Duration;

use openraft::{BasicNode, RaftMetrics, ServerState};
use tokio::time::{Instant, sleep, timeout};
use vectra_store::ShardView;

use super::ShardGroup;
use super::shard::Inner;
use crate::placement::{Child, HashRange};
use crate::{NodeId, NotLeader};

type Metrics = RaftMetrics<NodeId, BasicNode>;

/// How long a read waits for a leader that has just been elected to catch up, or for a majority
/// that is slow to answer.
const READ_PATIENCE: Duration = Duration::from_millis(500);
const READ_PAUSE: Duration = Duration::from_millis(5);

/// How long a round of confirmation may take, and when the followers are asked again in it: one that
/// is busy with entries is not asked at once.
const CONFIRMATION: Duration = Duration::from_millis(400);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// How old the state may be that [`Consistency::Any`] answers with. Longer than it takes to elect a
/// leader, so that such reads do not notice when one is lost.
const STALENESS: Duration = Duration::from_secs(5);

/// Which replicas may answer a read, and with how old a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// The leader, as long as it holds its lease: everything acknowledged before is in it. Rests on
    /// clocks that run at about the same speed.
    #[default]
    Leader,
    /// The leader, once a majority has confirmed that it leads, asked after the read came: the same
    /// without trust in clocks.
    Linearizable,
    /// Any replica that has everything acknowledged up to five seconds ago.
    Any,
}

/// A state to answer a read with.
#[derive(Debug, Clone)]
pub struct Readable {
    /// The rows.
    pub view: Arc<ShardView>,
    /// The hashes of the ids that belong to them; `None` if the shard has never split nor come of a
    /// split: all that the placement map says.
    pub range: Option<HashRange>,
    /// The shards that have split off, oldest first, with the ranges that they began with.
    pub children: Vec<Child>,
}

impl Readable {
    /// Whether it is the very state that `other` is: nothing was applied in between.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
            && (self.range, &self.children) == (other.range, &other.children)
    }
}

impl ShardGroup {
    /// The rows to answer a read with, if this replica may.
    pub async fn readable_view(
        &self,
        consistency: Consistency,
    ) -> Result<Arc<ShardView>, NotLeader> {
        Ok(self.readable(consistency).await?.view)
    }

    /// A state to answer a read with, if this replica may. A leader that was just elected waits a
    /// moment for what its predecessors left, and one that splits its shard until it has.
    pub async fn readable(&self, consistency: Consistency) -> Result<Readable, NotLeader> {
        let until = Instant::now() + READ_PATIENCE;
        loop {
            let readiness = match consistency {
                Consistency::Leader => self.leads(self.inner.timing.read_lease()),
                Consistency::Linearizable => self.is_confirmed().await,
                Consistency::Any => self.is_recent(),
            };
            let state = readiness.and_then(|()| self.state());
            match state {
                Ok(state) => return Ok(state),
                Err(unready) if !unready.may_pass || Instant::now() >= until => {
                    return Err(unready.refusal);
                }
                Err(_) => sleep(READ_PAUSE).await,
            }
        }
    }

    /// Rows and range as of the same moment.
    pub(super) fn state(&self) -> Result<Readable, Unready> {
        let (shard, progress) = (&self.inner.shard, &self.inner.progress);
        match progress.read_with_range(|| shard.view()) {
            Some((view, range, children)) => Ok(Readable {
                view,
                range,
                children,
            }),
            None => Err(self.unready(true, "this shard is splitting")),
        }
    }

    /// Whether this replica would answer a read from its leader at this moment.
    pub fn readable_now(&self) -> bool {
        self.leads(self.inner.timing.read_lease()).is_ok()
    }

    /// The leader vouches that nothing after this index had been agreed on when this member's clock
    /// showed that.
    pub(crate) fn vouched(&self, clock: u64, committed: u64) {
        let applied = self.applied_entries();
        let entries = committed.saturating_add(1);
        self.inner.freshness.vouched(clock, entries, applied);
    }

    pub(super) fn applied_entries(&self) -> u64 {
        self.inner.progress.applied().map_or(0, |last| last + 1)
    }

    /// Whether this replica leads, was followed by a majority less than `lease` ago, and has applied
    /// what its predecessors acknowledged. What it acknowledged itself it has applied anyway.
    fn leads(&self, lease: Duration) -> Result<(), Unready> {
        let Inner {
            node, lease: held, ..
        } = &*self.inner;
        self.leads_where(|metrics| {
            let members = metrics.membership_config.membership();
            held.is_held(*node, metrics.vote, members, lease)
        })
    }

    /// The same, with a majority asked after this call instead of a lease.
    async fn is_confirmed(&self) -> Result<(), Unready> {
        self.leads_where(|_| true)?;
        let inner = self.inner.clone();
        let confirmed = self
            .inner
            .confirmations
            .join(Duration::ZERO, move || confirm(inner.clone()))
            .await;
        match confirmed {
            // Elected anew in between, it may not have caught up.
            Some(Ok(())) => self.leads_where(|_| true),
            Some(Err(reason)) => Err(self.unready(true, reason)),
            None => Err(self.unready(false, "this node is shutting down")),
        }
    }

    /// Whether this replica has everything that was acknowledged [`STALENESS`] ago. What leaders vouched for
    /// holds on when this replica is elected itself, which may be alone before it knows more.
    fn is_recent(&self) -> Result<(), Unready> {
        let (is_leader, is_running) = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow();
            let is_leader = metrics.state == ServerState::Leader;
            (is_leader, metrics.running_state.is_ok())
        };
        let applied = self.applied_entries();
        if is_running && self.inner.freshness.is_within(STALENESS, applied) {
            return Ok(());
        }
        if is_leader {
            return self.leads(STALENESS);
        }
        Err(self.unready(false, "this replica does not know how old its state is"))
    }

    fn leads_where(&self, is_followed: impl FnOnce(&Metrics) -> bool) -> Result<(), Unready> {
        let verdict = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow();
            if metrics.running_state.is_err() {
                Err((false, "this replica has stopped on a fault"))
            } else if metrics.state != ServerState::Leader || !metrics.vote.is_committed() {
                Err((false, "this replica does not lead its shard"))
            } else if !(self.inner.at_open).is_behind(metrics.last_applied, &metrics.vote) {
                Err((
                    true,
                    "this replica was just elected and has not caught up yet",
                ))
            } else if self.inner.progress.is_splitting() {
                Err((true, "this shard is splitting"))
            } else if !is_followed(&metrics) {
                Err((
                    true,
                    "this replica has not heard of a majority for too long",
                ))
            } else {
                Ok(())
            }
        };
        verdict.map_err(|(may_pass, reason)| self.unready(may_pass, reason))
    }

    fn unready(&self, may_pass: bool, reason: &str) -> Unready {
        let leader = self.inner.raft.metrics().borrow().current_leader;
        let refusal = NotLeader {
            leader: leader.filter(|leader| *leader != self.inner.node),
            reason: reason.to_owned(),
        };
        Unready { may_pass, refusal }
    }
}

/// Why a replica may not answer now, and whether it is worth to wait.
pub(super) struct Unready {
    may_pass: bool,
    refusal: NotLeader,
}

/// One round: waits until a majority has answered what this leader sends it from now on.
async fn confirm(inner: Arc<Inner>) -> Result<(), &'static str> {
    let began = Instant::now();
    let mut metrics = inner.raft.metrics();
    let vote = metrics.borrow().vote;
    let mut asked = None::<Instant>;
    while began.elapsed() < CONFIRMATION {
        let next_answer = inner.lease.next_answer();
        {
            let metrics = metrics.borrow_and_update();
            if metrics.state != ServerState::Leader || metrics.vote != vote {
                return Err("this replica leads its shard no more");
            }
            let members = metrics.membership_config.membership();
            if (inner.lease).is_confirmed(inner.node, vote, members, began) {
                return Ok(());
            }
        }
        if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            let beat = inner.raft.trigger().heartbeat().await;
            beat.map_err(|_| "this replica has stopped")?;
            asked = Some(Instant::now());
        }
        let _ = timeout(ASK_AGAIN, next_answer).await;
    }
    Err("no majority has confirmed in time that this replica leads its shard")
}
