//! The moments at which the groups of a node do what they do again and again.

use std::time::Duration;

use openraft::{Raft, ServerState};
use tokio::time::{Instant, sleep_until};

use crate::log::GroupConfig;

/// Whole multiples of a period since this was made: what all groups of a node do with the same period, they do at the
/// same moments. What they send to another node then leaves together, and a node at rest is woken
/// once for all of its groups instead of once for each. Copies share the moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    since: Instant,
}

impl Beat {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }

    /// Waits for the next multiple of `period`. Answers how late it is.
    pub(super) async fn next(self, period: Duration) -> Duration {
        let due = self.after(Instant::now(), period);
        sleep_until(due).await;
        due.elapsed()
    }

    fn after(self, now: Instant, period: Duration) -> Instant {
        let over = (now - self.since).as_nanos() % period.as_nanos().max(1);
        let over = Duration::from_nanos(u64::try_from(over).unwrap_or(0));
        now + period.saturating_sub(over)
    }
}

/// Makes this member heard, whenever it leads, until the group stops. openraft's own heartbeats come at moments of
/// each group's own, and so are switched off.
pub(super) async fn heartbeats<C: GroupConfig>(raft: Raft<C>, beat: Beat, period: Duration) {
    loop {
        beat.next(period).await;
        let (leads, is_running) = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            let leads = metrics.state == ServerState::Leader;
            (leads, metrics.running_state.is_ok())
        };
        if !is_running || leads && raft.trigger().heartbeat().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(250);

    #[test]
    fn whoever_waits_for_the_same_period_waits_for_the_same_moment() {
        let beat = Beat::new();
        let at = |millis| beat.since + Duration::from_millis(millis);
        for millis in [0, 1, 120, 249] {
            assert_eq!(beat.after(at(millis), PERIOD), at(250), "{millis}");
        }
        assert_eq!(beat.after(at(250), PERIOD), at(500), "the next one");
        let hours = 3_600_000 * 100;
        assert_eq!(beat.after(at(hours + 3), PERIOD), at(hours + 250));
    }

    #[tokio::test]
    async fn it_tells_how_late_it_is() {
        let (beat, period) = (Beat::new(), Duration::from_millis(20));
        let next = beat.next(period);
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        // Meanwhile nobody runs.
        std::thread::sleep(10 * period);
        assert!(next.await >= 9 * period);
    }
}
