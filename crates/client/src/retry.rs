//! When to try again what failed for now.

use std::time::{Duration, Instant};

use crate::ClientError;

/// How patiently a request is repeated while the server is away or overloaded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// How long after its first failure a request is given up.
    pub give_up_after: Duration,
    /// Pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The pause grows no longer than this.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            give_up_after: Duration::from_secs(300),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The pause after `failures` failures in a row. What the server asked for is the least;
    /// `jitter` (0 to 1) keeps many clients from coming back at the same moment.
    #[must_use]
    pub fn pause(&self, failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let grown = self
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause);
        let own = grown.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        match asked {
            Some(asked) => asked + own.min(self.first_pause),
            None => own,
        }
    }

    /// Repeats `attempt` until it succeeds, fails for good, or the time is up; the error is then
    /// the last one. `on_retry` hears of every failure that will be tried again, and of the pause.
    ///
    /// # Errors
    /// What the last attempt failed with.
    pub async fn run<T, Attempt>(
        &self,
        mut attempt: impl FnMut() -> Attempt,
        mut on_retry: impl FnMut(&ClientError, Duration),
    ) -> Result<T, ClientError>
    where
        Attempt: Future<Output = Result<T, ClientError>>,
    {
        let mut failures = 0;
        let mut first_failure = None;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !error.may_pass() {
                return Err(error);
            }
            failures += 1;
            let pause = self.pause(failures, error.retry_after(), rand::random());
            let waited = first_failure.get_or_insert_with(Instant::now).elapsed();
            if waited + pause > self.give_up_after {
                return Err(error);
            }
            on_retry(&error, pause);
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<Duration>) -> ClientError {
        ClientError::Problem {
            status,
            title: "Refused".to_owned(),
            detail: String::new(),
            retry_after,
            members: serde_json::Map::new(),
        }
    }

    const QUICK: RetryPolicy = RetryPolicy {
        give_up_after: Duration::from_secs(60),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
    };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let pauses: Vec<u128> = (1..=8)
            .map(|failures| policy.pause(failures, None, 1.0).as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(policy.pause(u32::MAX, None, 1.0), policy.longest_pause);
        assert_eq!(policy.pause(1, None, 0.0), Duration::from_millis(50));
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_server_asked() {
        let asked = Duration::from_secs(7);
        for jitter in [0.0, 0.5, 1.0] {
            assert!(RetryPolicy::default().pause(1, Some(asked), jitter) >= asked);
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_until_it_does() {
        let mut answers = vec![429, 503, 504, 502];
        let mut retries = 0;
        let outcome = QUICK
            .run(
                || {
                    let answer = answers.pop();
                    async move { answer.map_or(Ok("stored"), |status| Err(refused(status, None))) }
                },
                |_, _| retries += 1,
            )
            .await;
        assert_eq!(outcome.unwrap(), "stored");
        assert_eq!(retries, 4);
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_request_is_not_tried_again() {
        for status in [400, 401, 403, 404, 409, 413, 415, 500, 507] {
            let mut attempts = 0;
            let outcome: Result<(), _> = QUICK
                .run(
                    || {
                        attempts += 1;
                        async move { Err(refused(status, None)) }
                    },
                    |_, _| panic!("{status} was to be tried again"),
                )
                .await;
            assert!(outcome.is_err());
            assert_eq!(attempts, 1);
        }
    }

    #[tokio::test]
    async fn a_pause_beyond_the_time_left_gives_up_at_once() {
        let outcome: Result<(), _> = QUICK
            .run(
                || async { Err(refused(503, Some(Duration::from_secs(3600)))) },
                |_, _| panic!("there is no time for another try"),
            )
            .await;
        assert_eq!(
            outcome.unwrap_err().retry_after(),
            Some(Duration::from_secs(3600))
        );
    }
}
