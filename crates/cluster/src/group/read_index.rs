//! Reads of several shards, from whichever replicas this node has: those that do not lead ask their leaders
//! how far they must have come.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::time::{Instant, timeout};
use vectra_wire::v1;

use super::read::{Consistency, Readable};
use super::read_line::ReadLine;
use super::read_rounds::ReadRounds;
use super::{ShardGroup, ShardGroups};
use crate::network::group_of;
use crate::{NodeId, NotLeader, ShardId};

/// A leader that has not said by then how far to go is not waited for: another replica may know more.
const ANSWER: Duration = Duration::from_millis(400);

/// A leader that was just elected, or splits its shard, is waited for no longer: the others that it leads must
/// not be held up.
const READY: Duration = Duration::from_millis(150);

/// How long a replica that does not lead waits until it has what its leader has. It is some milliseconds
/// behind as a rule; one that is catching up must not hold up a search.
const CATCH_UP: Duration = Duration::from_millis(100);
/// When it looks again for what nobody tells it: a split that has ended, members that go on without it.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a leader answered: for each shard how many entries of its log to have applied. Of others, it could
/// not say.
type Indexes = Arc<HashMap<ShardId, u64>>;

/// The leaders on other nodes that are asked, by node and by whether a majority confirms.
#[derive(Default)]
pub(super) struct ReadIndexes(Mutex<HashMap<(NodeId, bool), Asked>>);

/// How a leader is asked. All reads that wait for it share its next answer.
#[derive(Clone, Default)]
struct Asked {
    rounds: ReadRounds<Indexes>,
    line: ReadLine,
}

/// A replica that does not lead, and which of the shards that are read it is of.
struct Follower {
    place: usize,
    shard: ShardId,
    group: ShardGroup,
}

impl ReadIndexes {
    fn asked(&self, leader: NodeId, confirmed: bool) -> Asked {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.entry((leader, confirmed)).or_default().clone()
    }
}

impl ShardGroups {
    /// For each of `shards` a state to answer a read with, if its replica here may: the leader as
    /// [`ShardGroup::readable`] says, another one once it has applied what the leader had acknowledged when
    /// it was asked, after this call. That is as good as the leader's own answer. A leader is asked no sooner
    /// than `apart` after the last time, so that more reads share its answer.
    pub async fn readable(
        &self,
        shards: &[ShardId],
        consistency: Consistency,
        apart: Duration,
    ) -> Vec<Result<Readable, NotLeader>> {
        let mut elsewhere = BTreeMap::<NodeId, Vec<Follower>>::new();
        let mut here = Vec::with_capacity(shards.len());
        let mut states: Vec<Option<Result<Readable, NotLeader>>> = vec![None; shards.len()];
        for (place, &shard) in shards.iter().enumerate() {
            let Some(group) = self.get(shard) else {
                states[place] = Some(Err(NotLeader {
                    leader: None,
                    reason: format!("this node hosts no replica of shard {shard} yet"),
                }));
                continue;
            };
            match group.follows() {
                Some(leader) if consistency != Consistency::Any => {
                    let follower = Follower {
                        place,
                        shard,
                        group,
                    };
                    elsewhere.entry(leader).or_default().push(follower);
                }
                _ => here.push((place, group)),
            }
        }
        // At the same time: what one of them waits for does not add to what the others do.
        let here =
            join_all(here.into_iter().map(|(place, group)| async move {
                vec![(place, group.readable(consistency).await)]
            }));
        let elsewhere = join_all(elsewhere.into_iter().map(|(leader, followers)| async move {
            self.readable_after(leader, followers, consistency, apart)
                .await
        }));
        let (here, elsewhere) = join(here, elsewhere).await;
        for (place, state) in here.into_iter().chain(elsewhere).flatten() {
            states[place] = Some(state);
        }
        let unasked = || Err(refusal(None, "it was not asked for"));
        let states = states.into_iter();
        states.map(|state| state.unwrap_or_else(unasked)).collect()
    }

    /// The states of the replicas here as they are now, for whoever wants to begin before [`Self::readable`]
    /// says whether these are all there is: [`Readable::is_same`] compares. `None` if that takes nobody else
    /// to say, or if one of them has applied something less than `quiet` ago.
    pub fn presumed(
        &self,
        shards: &[ShardId],
        consistency: Consistency,
        quiet: Duration,
    ) -> Option<Vec<Readable>> {
        let groups = shards.iter().map(|&shard| self.get(shard));
        let groups = groups.collect::<Option<Vec<ShardGroup>>>()?;
        let takes_others = match consistency {
            Consistency::Leader => groups.iter().any(|group| group.follows().is_some()),
            Consistency::Linearizable => true,
            Consistency::Any => false,
        };
        let is_quiet = |group: &ShardGroup| group.inner.progress.quiet_for() >= quiet;
        if !takes_others || !groups.iter().all(is_quiet) {
            return None;
        }
        groups.iter().map(|group| group.state().ok()).collect()
    }

    /// The states of replicas that follow `leader`, once they have what it has.
    async fn readable_after(
        &self,
        leader: NodeId,
        followers: Vec<Follower>,
        consistency: Consistency,
        apart: Duration,
    ) -> Vec<(usize, Result<Readable, NotLeader>)> {
        let confirmed = consistency == Consistency::Linearizable;
        let groups = self.clone();
        let Asked { rounds, line } = self.host.read_indexes.asked(leader, confirmed);
        let indexes = rounds
            .join(apart, move || {
                let (groups, line) = (groups.clone(), line.clone());
                async move { groups.ask(leader, confirmed, &line).await }
            })
            .await
            .unwrap_or_default();
        let states = followers.into_iter().map(|follower| {
            let Follower {
                place,
                shard,
                group,
            } = follower;
            let entries = indexes.get(&shard).copied();
            async move {
                let state = match entries {
                    Some(entries) => group.readable_at(entries).await,
                    None => Err(refusal(
                        group.follows(),
                        "its leader did not say how far this replica must have come",
                    )),
                };
                (place, state)
            }
        });
        join_all(states).await
    }

    /// Asks a leader about all shards that it leads and that have a replica here.
    async fn ask(&self, leader: NodeId, confirmed: bool, line: &ReadLine) -> Indexes {
        let all = self.all();
        let led = all
            .iter()
            .filter(|(_, group)| group.follows() == Some(leader));
        let shards: Vec<ShardId> = led.map(|(shard, _)| *shard).collect();
        let request = v1::ReadIndexRequest {
            target: leader,
            groups: shards.iter().map(|shard| group_of(*shard)).collect(),
            confirmed,
        };
        let answer = line.ask(&self.host.network, leader, request);
        let entries = match timeout(ANSWER, answer).await {
            Ok(Some(answer)) => answer.entries,
            _ => Vec::new(),
        };
        let known = shards
            .into_iter()
            .zip(entries)
            .filter(|(_, entries)| *entries > 0);
        Arc::new(known.collect())
    }

    /// The leader's side: for each shard how many entries of its log a replica must have applied to answer
    /// a read that came before this call; 0 where this node does not lead.
    pub(crate) async fn read_index(&self, shards: &[ShardId], confirmed: bool) -> Vec<u64> {
        let consistency = if confirmed {
            Consistency::Linearizable
        } else {
            Consistency::Leader
        };
        join_all(shards.iter().map(|shard| async move {
            let Some(group) = self.get(*shard) else {
                return 0;
            };
            match timeout(READY, group.readable(consistency)).await {
                Ok(Ok(_)) => group.applied_entries(),
                _ => 0,
            }
        }))
        .await
    }
}

impl ShardGroup {
    /// The leader that this replica follows, if it knows one.
    fn follows(&self) -> Option<NodeId> {
        let leader = self.raft().metrics().borrow().current_leader;
        leader.filter(|leader| *leader != self.node())
    }

    /// Whether this replica has voted and will no more, by the last members that it was told of: it may never hear that
    /// they were agreed on, nor anything else, until the placement map takes it away.
    fn is_left_behind(&self) -> bool {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow();
        let members = metrics.membership_config.membership();
        left_behind(self.node(), members.get_joint_config())
    }

    /// The state of this replica once it has applied so many entries.
    async fn readable_at(&self, entries: u64) -> Result<Readable, NotLeader> {
        let until = Instant::now() + CATCH_UP;
        loop {
            let applied_more = self.inner.progress.applied_more.notified();
            if self.applied_entries() >= entries
                && let Ok(state) = self.state()
            {
                return Ok(state);
            }
            if Instant::now() >= until {
                let reason =
                    "this replica is behind its leader for longer than a search should wait";
                return Err(refusal(self.follows(), reason));
            }
            if self.is_left_behind() {
                let reason = "this replica is behind, and its group goes on without it";
                return Err(refusal(self.follows(), reason));
            }
            let _ = timeout(LOOK_AGAIN, applied_more).await;
        }
    }
}

/// Whether a node is in one of these sets of voters, but not in the last: those that a change of members comes from, and then
/// those that it goes to; a single one where no change is under way.
fn left_behind(node: NodeId, voters: &[BTreeSet<NodeId>]) -> bool {
    let votes = |voters: &BTreeSet<NodeId>| voters.contains(&node);
    voters.iter().any(votes) && !voters.last().is_some_and(votes)
}

fn refusal(leader: Option<NodeId>, reason: &str) -> NotLeader {
    NotLeader {
        leader,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_that_the_next_voters_are_without_is_left_behind() {
        let (old, new) = (BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4]));
        let between = [old.clone(), new.clone()];
        assert!(left_behind(1, &between));
        assert!(!left_behind(2, &between), "it stays");
        assert!(!left_behind(4, &between), "it has just come");
        assert!(!left_behind(9, &between), "it learns, and may come");
        assert!(!left_behind(1, &[old]));
        assert!(!left_behind(1, &[new]), "it may be on its way back");
    }
}
