//! Bytes a second, shared by all who send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What was not used counts for as long as this.
const BURST: Duration = Duration::from_millis(100);

/// Lets bytes pass at a steady rate. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Throttle {
    /// Bytes a second; 0 for no limit.
    rate: u64,
    /// When the bytes let through so far are paid for.
    paid: Arc<Mutex<Option<Instant>>>,
    /// All bytes let through.
    passed: Arc<AtomicU64>,
}

impl Throttle {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self {
            rate: rate.unwrap_or(0),
            ..Self::default()
        }
    }

    /// Waits until so many bytes may pass.
    pub(crate) async fn pass(&self, bytes: u64) {
        self.passed.fetch_add(bytes, Ordering::Relaxed);
        if let Some(wait) = self.claim(bytes, Instant::now()) {
            sleep(wait).await;
        }
    }

    /// How many have passed, or are about to.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// How long to wait before so many bytes may pass.
    fn claim(&self, bytes: u64, now: Instant) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = paid.map_or(earliest, |paid| paid.max(earliest));
        *paid = Some(from + cost);
        let wait = (from + cost).saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_share_the_rate() {
        let throttle = Throttle::new(Some(1_000));
        let now = Instant::now();
        assert_eq!(throttle.claim(100, now), None, "the burst");
        let other = throttle.clone();
        assert_eq!(other.claim(500, now), Some(Duration::from_millis(500)));
        assert_eq!(throttle.claim(500, now), Some(Duration::from_millis(1_000)));
        let later = now + Duration::from_secs(60);
        assert_eq!(
            throttle.claim(100, later),
            None,
            "idle time is not saved up"
        );
        assert_eq!(throttle.claim(100, later), Some(Duration::from_millis(100)));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        assert_eq!(Throttle::default().claim(u64::MAX, Instant::now()), None);
    }

    #[tokio::test]
    async fn what_passes_is_counted_for_all_who_share_it() {
        let throttle = Throttle::default();
        throttle.clone().pass(700).await;
        throttle.pass(50).await;
        assert_eq!(throttle.passed(), 750);
    }
}
