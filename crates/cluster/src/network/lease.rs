//! Until when a leader may be sure that nobody else leads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::{BasicNode, Membership, Vote};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::NodeId;

/// When each follower was last asked, and answered, by which leader.
///
/// A follower that hears from its leader votes for nobody else for `election_max` (openraft's
/// leader lease; at a restart the time starts anew). So as long as less than that has passed since
/// a majority was *asked*, there is no other leader, and a read from this one is not stale.
///
/// Two things would break that, and are noted here before they happen: a follower that is asked to
/// take over does not wait for its leader to fall silent, so it does not count any more; and this
/// node itself may vote for another, which ends its own lease at once.
#[derive(Clone, Default)]
pub(crate) struct Lease {
    known: Arc<Mutex<Known>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Known {
    answers: HashMap<NodeId, Answer>,
    /// Who was asked to take over, and from which leader.
    successors: HashMap<NodeId, Vote<NodeId>>,
    /// The highest vote that this node has granted to another.
    granted: Option<Vote<NodeId>>,
    /// What each follower's clock showed when it answered last, and to which leader.
    clocks: HashMap<NodeId, (Vote<NodeId>, u64)>,
}

/// By which leader a follower was asked, and when.
type Answer = (Vote<NodeId>, Instant);

impl Lease {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A follower is about to be asked to take over from the leader of this vote: nothing that it
    /// answers to this leader, before or after, says that there is no other.
    pub(crate) fn hands_over(&self, successor: NodeId, vote: Vote<NodeId>) {
        self.known().successors.insert(successor, vote);
    }

    /// This node is about to tell another that it has its vote.
    pub(crate) fn grants(&self, vote: Vote<NodeId>) {
        let mut known = self.known();
        if known.granted.is_none_or(|granted| granted < vote) {
            known.granted = Some(vote);
        }
    }

    /// A follower accepted what the leader of this vote sent it at `asked`; its clock shows this.
    pub(crate) fn answered(
        &self,
        follower: NodeId,
        vote: Vote<NodeId>,
        asked: Instant,
        clock: Option<u64>,
    ) {
        {
            let mut known = self.known();
            let answer = known.answers.entry(follower).or_insert((vote, asked));
            if *answer < (vote, asked) {
                *answer = (vote, asked);
            }
            if let Some(clock) = clock {
                known.clocks.insert(follower, (vote, clock));
            }
        }
        self.changed.notify_waiters();
    }

    /// The next answer of a follower, from this call on.
    pub(crate) fn next_answer(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// What a follower's clock showed when it last answered the leader of this vote.
    pub(crate) fn clock_of(&self, follower: NodeId, vote: Vote<NodeId>) -> Option<u64> {
        let known = self.known();
        let (of, clock) = known.clocks.get(&follower)?;
        (*of == vote).then_some(*clock)
    }

    /// Whether a follower was asked by the leader of this vote less than `length` ago, and has
    /// answered.
    pub(crate) fn follows(&self, follower: NodeId, vote: Vote<NodeId>, length: Duration) -> bool {
        let known = self.known();
        let answer = known.answers.get(&follower);
        answer.is_some_and(|(of, asked)| *of == vote && asked.elapsed() < length)
    }

    /// Whether `own`, leader by this vote, asked a majority less than `length` ago.
    pub(crate) fn is_held(
        &self,
        own: NodeId,
        vote: Vote<NodeId>,
        membership: &Membership<NodeId, BasicNode>,
        length: Duration,
    ) -> bool {
        self.has_majority(own, vote, membership, false, |asked| {
            asked.elapsed() < length
        })
    }

    /// Whether a majority has answered what `own`, leader by this vote, asked less than `length` ago,
    /// also if it was asked to take over since: enough to write by, not to read by.
    pub(crate) fn is_followed(
        &self,
        own: NodeId,
        vote: Vote<NodeId>,
        membership: &Membership<NodeId, BasicNode>,
        length: Duration,
    ) -> bool {
        self.has_majority(own, vote, membership, true, |asked| {
            asked.elapsed() < length
        })
    }

    /// Whether a majority was asked by `own`, leader by this vote, at `since` or later, and has
    /// answered: then nobody had been elected after it when that was.
    pub(crate) fn is_confirmed(
        &self,
        own: NodeId,
        vote: Vote<NodeId>,
        membership: &Membership<NodeId, BasicNode>,
        since: Instant,
    ) -> bool {
        self.has_majority(own, vote, membership, false, |asked| asked >= since)
    }

    fn has_majority(
        &self,
        own: NodeId,
        vote: Vote<NodeId>,
        membership: &Membership<NodeId, BasicNode>,
        with_successors: bool,
        counts: impl Fn(Instant) -> bool,
    ) -> bool {
        let known = self.known();
        if known.granted.is_some_and(|granted| granted > vote) {
            return false;
        }
        let follows = |voter: &NodeId| {
            let answer = known.answers.get(voter);
            *voter == own
                || (with_successors || known.successors.get(voter) != Some(&vote))
                    && answer.is_some_and(|(of, asked)| *of == vote && counts(*asked))
        };
        membership.get_joint_config().iter().all(|voters| {
            let following = voters.iter().filter(|voter| follows(voter)).count();
            following > voters.len() / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn members(voters: &[NodeId]) -> Membership<NodeId, BasicNode> {
        Membership::new(vec![BTreeSet::from_iter(voters.iter().copied())], None)
    }

    #[test]
    fn a_single_voter_always_holds_its_lease() {
        let vote = Vote::new_committed(3, 7);
        assert!(Lease::default().is_held(7, vote, &members(&[7]), Duration::ZERO));
    }

    #[test]
    fn a_leader_of_three_needs_one_fresh_answer_to_its_own_vote() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(3, 1));
        assert!(!lease.is_held(1, vote, &members(&[1, 2, 3]), LONG));

        lease.answered(2, Vote::new_committed(2, 1), Instant::now(), None);
        assert!(
            !lease.is_held(1, vote, &members(&[1, 2, 3]), LONG),
            "an earlier term"
        );

        lease.answered(2, vote, Instant::now(), None);
        assert!(lease.is_held(1, vote, &members(&[1, 2, 3]), LONG));
        assert!(
            !lease.is_held(1, vote, &members(&[1, 2, 3]), Duration::ZERO),
            "too long ago"
        );
        assert!(
            !lease.is_held(1, vote, &members(&[1, 2, 3, 4]), LONG),
            "two of four"
        );
    }

    #[test]
    fn a_follower_that_was_asked_to_take_over_holds_no_lease_for_the_leader_it_leaves() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        lease.answered(2, vote, Instant::now(), None);
        lease.hands_over(2, vote);
        lease.answered(2, vote, Instant::now(), None);
        assert!(!lease.is_held(1, vote, &members(&[1, 2, 3]), LONG));
        assert!(lease.is_followed(1, vote, &members(&[1, 2, 3]), LONG));
        lease.answered(3, vote, Instant::now(), None);
        assert!(lease.is_held(1, vote, &members(&[1, 2, 3]), LONG));

        let later = Vote::new_committed(5, 1);
        lease.answered(2, later, Instant::now(), None);
        assert!(lease.is_held(1, later, &members(&[1, 2, 3]), LONG));
    }

    #[test]
    fn a_leader_that_votes_for_another_has_lost_its_lease() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        lease.answered(2, vote, Instant::now(), None);
        lease.grants(Vote::new(2, 3));
        assert!(!lease.is_held(1, vote, &members(&[1, 2, 3]), LONG));
    }

    #[test]
    fn only_answers_to_what_was_asked_since_confirm_a_leader() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        let members = members(&[1, 2, 3]);
        let before = Instant::now();
        lease.answered(2, vote, before, None);
        let since = before + Duration::from_millis(1);
        assert!(lease.is_held(1, vote, &members, LONG));
        assert!(!lease.is_confirmed(1, vote, &members, since));
        lease.answered(3, vote, since, None);
        assert!(lease.is_confirmed(1, vote, &members, since));
        lease.grants(Vote::new(2, 3));
        assert!(!lease.is_confirmed(1, vote, &members, since));
    }

    #[test]
    fn a_followers_clock_is_known_to_the_leader_it_answered() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        lease.answered(2, vote, Instant::now(), Some(70));
        assert_eq!(lease.clock_of(2, vote), Some(70));
        assert_eq!(lease.clock_of(3, vote), None);
        assert_eq!(lease.clock_of(2, Vote::new_committed(2, 1)), None);
    }

    #[test]
    fn both_halves_of_a_membership_change_must_follow() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        let joint = Membership::new(
            vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 4, 5])],
            None,
        );
        lease.answered(2, vote, Instant::now(), None);
        assert!(!lease.is_held(1, vote, &joint, LONG));
        lease.answered(5, vote, Instant::now(), None);
        assert!(lease.is_held(1, vote, &joint, LONG));
    }
}
