//! How long a root tries before it gives up on a shard.

use std::time::Duration;

use tokio::time::Instant;
use vectra_cluster::ShardId;

use super::RootError;

/// The longest a request waits for a shard to get a leader: a few elections' time. After that the
/// client had better hear that the shard is out of reach than run into its own time-out.
const LONGEST: Duration = Duration::from_secs(10);

/// A request ends this much of its time before its deadline, so that it can still say why.
const MARGIN: u32 = 20;

/// The time a request has left, by its own deadline and by [`LONGEST`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// What the request was given.
    given: Duration,
    end: Instant,
    /// Whether `end` comes from the request's own deadline.
    is_deadline: bool,
}

/// Why the last attempt on a shard failed.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The node said no, or could not be reached.
    Refused(String),
    /// The node took the request and did not answer.
    Silent(String),
}

impl Patience {
    pub(super) fn until(deadline: Instant) -> Self {
        let began = Instant::now();
        let given = deadline.saturating_duration_since(began);
        let usable = given - given / MARGIN;
        Self {
            given,
            end: began + usable.min(LONGEST),
            is_deadline: usable < LONGEST,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// How long the request may still take.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// When the request gives up.
    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// The error of a request whose own deadline has passed.
    pub(super) fn check_deadline(&self) -> Result<(), RootError> {
        if self.is_deadline && self.is_over() {
            return Err(RootError::Deadline(self.given));
        }
        Ok(())
    }

    /// What to answer when patience is over and `shards` have not answered.
    pub(super) fn over(&self, shards: Vec<ShardId>, last: Trouble) -> RootError {
        let reason = match last {
            Trouble::Silent(_) if self.is_deadline => return RootError::Deadline(self.given),
            Trouble::Silent(reason) | Trouble::Refused(reason) => reason,
        };
        let reason = format!("no replica that may answer was reached ({reason})");
        RootError::Unavailable { shards, reason }
    }

    /// Waits before attempt number `attempt` (from 0).
    pub(super) async fn before(&self, attempt: usize) {
        tokio::time::sleep(pause(attempt).min(self.left())).await;
    }
}

/// How long to wait before attempt number `attempt` (from 0): not at all at first, then longer and
/// longer.
pub(super) fn pause(attempt: usize) -> Duration {
    match attempt {
        0 => Duration::ZERO,
        1..=3 => Duration::from_millis(20),
        4..=8 => Duration::from_millis(100),
        _ => Duration::from_millis(250),
    }
}

impl Default for Trouble {
    fn default() -> Self {
        Self::Refused("no replica answered".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_in(given: Duration, last: Trouble) -> RootError {
        Patience::until(Instant::now() + given).over(vec![3], last)
    }

    #[tokio::test]
    async fn a_short_deadline_blames_the_shard_that_refused_and_itself_for_one_that_was_silent() {
        let second = Duration::from_secs(1);
        let refused = over_in(second, Trouble::Refused("connection refused".to_owned()));
        assert!(matches!(refused, RootError::Unavailable { shards, .. } if shards == [3]));
        let silent = over_in(second, Trouble::Silent("no answer".to_owned()));
        assert!(matches!(silent, RootError::Deadline(given) if given <= second));
    }

    #[tokio::test]
    async fn a_long_deadline_is_not_used_up_on_a_shard_out_of_reach() {
        let patience = Patience::until(Instant::now() + Duration::from_secs(3_600));
        assert!(patience.left() <= LONGEST);
        assert!(patience.check_deadline().is_ok());
        let silent = patience.over(vec![3], Trouble::Silent("no answer".to_owned()));
        assert!(matches!(silent, RootError::Unavailable { .. }));
    }
}
