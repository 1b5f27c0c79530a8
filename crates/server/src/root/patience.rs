//! How long a root tries before it gives up on a shard.

use std::time::Duration;

use tokio::time::Instant;

use super::RootError;

/// The longest a request waits for a shard to get a leader: a few elections' time. After that the
/// client had better hear that the shard is out of reach than run into its own time-out.
const LONGEST: Duration = Duration::from_secs(10);

/// The longest one call to one node may take before another is tried.
const PER_CALL: Duration = Duration::from_secs(4);

/// The time a request has left, by its own deadline and by [`LONGEST`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    began: Instant,
    deadline: Instant,
}

impl Patience {
    pub(super) fn until(deadline: Instant) -> Self {
        Self {
            began: Instant::now(),
            deadline,
        }
    }

    fn end(&self) -> Instant {
        self.deadline.min(self.began + LONGEST)
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end()
    }

    /// How long the request may still take.
    pub(super) fn left(&self) -> Duration {
        self.end().saturating_duration_since(Instant::now())
    }

    /// How long the next call may take.
    pub(super) fn for_one_call(&self) -> Duration {
        self.left().min(PER_CALL)
    }

    /// An error once the request's own deadline has passed.
    pub(super) fn check(&self) -> Result<(), RootError> {
        if Instant::now() >= self.deadline {
            return Err(RootError::Deadline(self.deadline - self.began));
        }
        Ok(())
    }

    /// Waits before attempt number `attempt` (from 0): not at all at first, then longer and longer.
    pub(super) async fn before(&self, attempt: usize) {
        let pause = match attempt {
            0 => return,
            1..=3 => Duration::from_millis(20),
            4..=8 => Duration::from_millis(100),
            _ => Duration::from_millis(250),
        };
        tokio::time::sleep(pause.min(self.left())).await;
    }
}
