//! Keeps a member from standing for election because it was asleep itself.
//!
//! openraft measures its leader's silence when it handles a message, not when that arrives. A
//! process that got no CPU for a few seconds finds its timer run out and its leader's messages
//! waiting behind it; it would depose a leader that never was away, and on a machine that is short
//! of CPU each would depose the next. So what counts here is when a leader was last heard of at the
//! door, and a process that was itself held up first lets in what is waiting there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::ServerState;
use tokio::time::Instant;

use super::Candidacy;
use super::beat::Beat;
use crate::log::GroupConfig;

/// How often to look.
const PERIOD: Duration = Duration::from_millis(100);
/// A look that comes so much too late means that this process was held up.
const HELD_UP: Duration = Duration::from_millis(300);

/// Whether one member may stand for election. Clones share it.
#[derive(Clone)]
pub(crate) struct ElectionGate {
    heard: Arc<Mutex<Instant>>,
}

impl ElectionGate {
    pub(super) fn new() -> Self {
        Self {
            heard: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// A message of the leader has arrived.
    pub(super) fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn last_heard(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens and shuts until the group stops. While it is open, openraft's own timer decides.
    pub(super) async fn run<C: GroupConfig>(self, candidacy: Candidacy<C>, beat: Beat) {
        let raft = &candidacy.raft;
        let mut silence = Silence::since(self.last_heard());
        loop {
            let late = beat.next(PERIOD).await;
            let (leads, is_leaderless, is_alone) = {
                let metrics = raft.metrics();
                let metrics = metrics.borrow();
                if metrics.running_state.is_err() {
                    return;
                }
                let voters = metrics.membership_config.voter_ids().count();
                let leads = metrics.state == ServerState::Leader;
                (leads, !metrics.vote.is_committed(), voters <= 1)
            };
            // Nobody is silent to itself: it would ask the others for ever whether it should lead.
            if leads {
                self.heard();
            }
            silence.look(self.last_heard(), late);
            let lease = candidacy.timing.election_max;
            let is_silent = || silence.is_meant(silence.since.elapsed(), lease);
            let may_stand = candidacy.may_stand()
                && (is_alone || (is_leaderless || is_silent()) && candidacy.would_win().await);
            raft.runtime_config().elect(may_stand);
        }
    }
}

/// A leader's silence, and for how much of it this process was not listening.
struct Silence {
    since: Instant,
    held_up: Duration,
}

impl Silence {
    fn since(heard: Instant) -> Self {
        Self {
            since: heard,
            held_up: Duration::ZERO,
        }
    }

    /// Looks again, so much too late.
    fn look(&mut self, last_heard: Instant, late: Duration) {
        if last_heard > self.since {
            *self = Self::since(last_heard);
        }
        if late > HELD_UP {
            self.held_up += late;
        }
    }

    /// Whether a silence of this length is the leader's own. The time in which nobody listened does
    /// not count, but where that never ends, a cluster must not be without a leader for ever.
    fn is_meant(&self, length: Duration, lease: Duration) -> bool {
        length >= lease + self.held_up.min(2 * lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(2);

    #[test]
    fn a_process_that_slept_through_its_leaders_messages_listens_first() {
        let start = Instant::now();
        let mut silence = Silence::since(start);
        silence.look(start, Duration::ZERO);
        assert!(silence.is_meant(LEASE, LEASE));

        silence.look(start, Duration::from_secs(4));
        assert!(!silence.is_meant(Duration::from_secs(5), LEASE));
        assert!(silence.is_meant(Duration::from_secs(6), LEASE));

        silence.look(start + Duration::from_secs(5), Duration::ZERO);
        assert!(silence.is_meant(LEASE, LEASE), "heard of: counted anew");
    }

    #[test]
    fn a_process_that_is_always_late_stands_in_the_end() {
        let start = Instant::now();
        let mut silence = Silence::since(start);
        for _look in 0..100 {
            silence.look(start, Duration::from_secs(1));
        }
        assert!(silence.is_meant(3 * LEASE, LEASE));
    }
}
