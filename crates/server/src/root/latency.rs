//! How long leaves take to answer, and so when it is time to ask another replica.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Answers looked back on.
const WINDOW: usize = 256;

/// After so many further answers the percentile is computed anew.
const EVERY: usize = 32;

/// Nobody is asked twice sooner than this: below it a busy machine looks like a slow node.
const LEAST: Duration = Duration::from_millis(20);

/// What is assumed of answers until enough have come.
const ASSUMED: Duration = Duration::from_millis(250);

/// The latencies of the last answers of all leaves together: by its own, a node that gets slower
/// would never be late.
pub(super) struct Latencies {
    /// Microseconds each, in a ring.
    window: [AtomicU32; WINDOW],
    count: AtomicUsize,
    /// The 95th percentile of the window when it was last computed, in microseconds.
    percentile: AtomicU32,
}

impl Latencies {
    /// Notes how long an answer took, or how long one was waited for that another forestalled:
    /// without those, answers that are late would never make the percentile rise.
    pub(super) fn note(&self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.window.get(number % WINDOW) {
            slot.store(micros, Ordering::Relaxed);
        }
        if number % EVERY == EVERY - 1 {
            let known = WINDOW.min(number + 1);
            let mut window: Vec<u32> = self
                .window
                .iter()
                .take(known)
                .map(|slot| slot.load(Ordering::Relaxed))
                .collect();
            let rank = (known * 95).div_ceil(100).saturating_sub(1);
            let (_, percentile, _) = window.select_nth_unstable(rank);
            self.percentile.store(*percentile, Ordering::Relaxed);
        }
    }

    /// How long to wait for an answer before another replica is asked as well: as long as 95 of 100
    /// answers take.
    pub(super) fn patience(&self) -> Duration {
        let micros = self.percentile.load(Ordering::Relaxed);
        Duration::from_micros(micros.into()).max(LEAST)
    }
}

impl Default for Latencies {
    fn default() -> Self {
        let assumed = u32::try_from(ASSUMED.as_micros()).unwrap_or(u32::MAX);
        Self {
            window: [const { AtomicU32::new(0) }; WINDOW],
            count: AtomicUsize::new(0),
            percentile: AtomicU32::new(assumed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(latencies: &Latencies, millis: impl IntoIterator<Item = u64>) {
        for latency in millis {
            latencies.note(Duration::from_millis(latency));
        }
    }

    #[test]
    fn another_replica_is_asked_after_the_95th_percentile() {
        let latencies = Latencies::default();
        assert_eq!(latencies.patience(), ASSUMED, "nothing known");
        // 1, 2 … 256, in an order that is not theirs: 7 and 256 have no common divisor.
        note(&latencies, (0..256).map(|number| number * 7 % 256 + 1));
        assert_eq!(latencies.patience(), Duration::from_millis(244));
    }

    #[test]
    fn a_few_slow_answers_are_what_it_is_for_and_do_not_change_it() {
        let latencies = Latencies::default();
        note(
            &latencies,
            (0..256).map(|number| if number % 32 == 0 { 9_000 } else { 50 }),
        );
        assert_eq!(latencies.patience(), Duration::from_millis(50));
    }

    #[test]
    fn it_follows_when_all_answers_get_slower_and_faster_again() {
        let latencies = Latencies::default();
        note(&latencies, [100; 256]);
        note(&latencies, [400; 32]);
        assert_eq!(latencies.patience(), Duration::from_millis(400));
        note(&latencies, [30; 256]);
        assert_eq!(latencies.patience(), Duration::from_millis(30));
    }

    #[test]
    fn it_is_never_shorter_than_what_a_busy_machine_takes() {
        let latencies = Latencies::default();
        note(&latencies, [1; 256]);
        assert_eq!(latencies.patience(), LEAST);
    }
}
