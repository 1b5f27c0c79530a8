//! Until when a leader may be sure that nobody else leads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::{BasicNode, Membership, Vote};

use crate::NodeId;

/// When each follower was last asked, and answered, by which leader.
///
/// A follower that hears from its leader votes for nobody else for `election_max` (openraft's
/// leader lease; at a restart the time starts anew). So as long as less than that has passed since
/// a majority was *asked*, there is no other leader, and a read from this one is not stale.
#[derive(Clone, Default)]
pub(crate) struct Lease {
    answers: Arc<Mutex<HashMap<NodeId, Answer>>>,
}

/// By which leader a follower was asked, and when.
type Answer = (Vote<NodeId>, Instant);

impl Lease {
    /// A follower accepted what the leader of this vote sent it at `asked`.
    pub(crate) fn answered(&self, follower: NodeId, vote: Vote<NodeId>, asked: Instant) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.entry(follower).or_insert((vote, asked));
        if *answer < (vote, asked) {
            *answer = (vote, asked);
        }
    }

    /// Whether `own`, leader by this vote, asked a majority less than `length` ago.
    pub(crate) fn is_held(
        &self,
        own: NodeId,
        vote: Vote<NodeId>,
        membership: &Membership<NodeId, BasicNode>,
        length: Duration,
    ) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let follows = |voter: &NodeId| {
            *voter == own
                || answers
                    .get(voter)
                    .is_some_and(|(of, asked)| *of == vote && asked.elapsed() < length)
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

        lease.answered(2, Vote::new_committed(2, 1), Instant::now());
        assert!(
            !lease.is_held(1, vote, &members(&[1, 2, 3]), LONG),
            "an earlier term"
        );

        lease.answered(2, vote, Instant::now());
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
    fn both_halves_of_a_membership_change_must_follow() {
        let (lease, vote) = (Lease::default(), Vote::new_committed(1, 1));
        let joint = Membership::new(
            vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 4, 5])],
            None,
        );
        lease.answered(2, vote, Instant::now());
        assert!(!lease.is_held(1, vote, &joint, LONG));
        lease.answered(5, vote, Instant::now());
        assert!(lease.is_held(1, vote, &joint, LONG));
    }
}
