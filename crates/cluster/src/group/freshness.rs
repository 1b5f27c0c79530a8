//! How old a follower's state is.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Vouchers that wait until what they are about is applied. Where more come, the last one is
/// replaced: they get coarser, not wrong.
const WAITING: usize = 64;

/// How old one follower's state is, by what its leaders vouched for. Clones share it.
#[derive(Clone)]
pub(crate) struct Freshness {
    /// What this clock shows at `start`: drawn anew at each start, so that what it showed in a
    /// life before means nothing.
    base: u64,
    start: Instant,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Everything agreed on by then is applied.
    as_of: Option<Instant>,
    /// Entries agreed on at these times, oldest first.
    waiting: VecDeque<(Instant, u64)>,
}

impl Known {
    /// The first `applied` entries are applied.
    fn settle(&mut self, applied: u64) {
        while let Some((at, entries)) = self.waiting.front().copied()
            && entries <= applied
        {
            self.waiting.pop_front();
            self.as_of = self.as_of.max(Some(at));
        }
    }
}

impl Freshness {
    pub(crate) fn new() -> Self {
        Self {
            base: RandomState::new().hash_one(0),
            start: Instant::now(),
            known: Arc::default(),
        }
    }

    /// What the clock shows, for the leader to hand back.
    pub(crate) fn clock(&self) -> u64 {
        self.clock_at(Instant::now())
    }

    fn clock_at(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        self.base
            .wrapping_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// The leader vouches that no more than the first `entries` of the log had been agreed on when
    /// the clock showed this. The first `applied` of them are applied by now.
    pub(crate) fn vouched(&self, clock: u64, entries: u64, applied: u64) {
        self.known().settle(applied);
        self.vouched_at(clock, entries, Instant::now());
    }

    fn vouched_at(&self, clock: u64, entries: u64, now: Instant) {
        let then = self.start + Duration::from_micros(clock.wrapping_sub(self.base).min(1 << 56));
        // Of a life before, or of nobody's.
        if then > now {
            return;
        }
        let mut known = self.known();
        let is_full = known.waiting.len() >= WAITING;
        if let Some((at, of)) = known.waiting.back_mut()
            && (*of == entries || is_full)
        {
            if then > *at {
                (*at, *of) = (then, entries);
            }
            return;
        }
        known.waiting.push_back((then, entries));
    }

    /// Whether the first `applied` entries are everything that was agreed on `bound` ago.
    pub(crate) fn is_within(&self, bound: Duration, applied: u64) -> bool {
        self.is_within_at(bound, applied, Instant::now())
    }

    fn is_within_at(&self, bound: Duration, applied: u64, now: Instant) -> bool {
        let mut known = self.known();
        known.settle(applied);
        known
            .as_of
            .is_some_and(|as_of| now.saturating_duration_since(as_of) <= bound)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(5);

    fn after(freshness: &Freshness, seconds: u64) -> Instant {
        freshness.start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_state_is_as_old_as_the_clock_that_came_back() {
        let freshness = Freshness::new();
        assert!(!freshness.is_within(BOUND, u64::MAX), "nothing vouched for");
        let clock = freshness.clock_at(after(&freshness, 10));
        // On its way, or unread, for three seconds.
        freshness.vouched_at(clock, 7, after(&freshness, 13));
        assert!(!freshness.is_within_at(BOUND, 6, after(&freshness, 13)));
        assert!(freshness.is_within_at(BOUND, 7, after(&freshness, 15)));
        assert!(!freshness.is_within_at(BOUND, 9, after(&freshness, 16)));
    }

    #[test]
    fn what_is_not_applied_yet_leaves_what_was_known_before() {
        let freshness = Freshness::new();
        for (second, entries) in [(10, 7), (11, 8), (12, 9)] {
            let at = after(&freshness, second);
            freshness.vouched_at(freshness.clock_at(at), entries, at);
        }
        assert!(freshness.is_within_at(BOUND, 7, after(&freshness, 15)));
        assert!(!freshness.is_within_at(BOUND, 7, after(&freshness, 16)));
        assert!(freshness.is_within_at(BOUND, 8, after(&freshness, 16)));
        assert!(freshness.is_within_at(BOUND, 9, after(&freshness, 17)));
    }

    #[test]
    fn a_quiet_group_stays_fresh_by_its_heartbeats() {
        let freshness = Freshness::new();
        for second in 10..1_000 {
            let at = after(&freshness, second);
            freshness.vouched_at(freshness.clock_at(at), 7, at);
        }
        assert!(freshness.is_within_at(BOUND, 7, after(&freshness, 1_003)));
    }

    #[test]
    fn more_vouchers_than_are_kept_make_no_state_younger_than_it_is() {
        let freshness = Freshness::new();
        for second in 0..1_000 {
            let at = after(&freshness, second);
            freshness.vouched_at(freshness.clock_at(at), second, at);
        }
        let now = after(&freshness, 1_000);
        for applied in [0, 40, 500, 998] {
            assert!(!freshness.is_within_at(Duration::from_secs(1), applied, now));
        }
        assert!(freshness.is_within_at(Duration::from_secs(1), 999, now));
    }

    #[test]
    fn a_state_that_nobody_asked_for_long_is_as_fresh_as_one_that_is_read() {
        let freshness = Freshness::new();
        // Each is applied before the next is agreed on, the last one not yet.
        for entries in 1..1_000 {
            freshness.vouched(freshness.clock(), entries, entries - 1);
        }
        assert!(freshness.is_within(BOUND, 998));
        assert_eq!(freshness.known().waiting.len(), 1);
    }

    #[test]
    fn a_clock_of_another_life_says_nothing() {
        let (before, now) = (Freshness::new(), Freshness::new());
        now.vouched(before.clock(), 0, 0);
        assert!(!now.is_within(BOUND, u64::MAX));
    }
}
