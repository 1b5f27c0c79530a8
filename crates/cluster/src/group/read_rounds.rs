//! Rounds of confirmation, each shared by all who came before it began.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// One round at a time. Whoever comes while one is under way waits for the next, for only a round
/// that begins later says anything about the time of his coming; all of them share that next one.
/// Clones share the rounds.
pub(super) struct ReadRounds<T> {
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    is_running: bool,
    /// When the last one began.
    began: Option<Instant>,
    /// Those who wait for a round to begin.
    next: Vec<oneshot::Sender<T>>,
}

impl<T: Clone + Send + 'static> ReadRounds<T> {
    /// What a round says that begins after this call, and `apart` after the one before. `round` makes one, if
    /// none is under way. `None` if the runtime stopped before it ended.
    pub(super) async fn join<F>(
        &self,
        apart: Duration,
        round: impl Fn() -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send,
    {
        let (sender, outcome) = oneshot::channel();
        let begins = {
            let mut state = self.state();
            state.next.push(sender);
            !std::mem::replace(&mut state.is_running, true)
        };
        if begins {
            let rounds = self.clone();
            // In a task of its own: the others must not lose it when the first one hangs up.
            tokio::spawn(async move {
                while rounds.is_awaited() {
                    rounds.next_in(apart).await;
                    let aboard = rounds.board();
                    let outcome = round().await;
                    for sender in aboard {
                        let _ = sender.send(outcome.clone());
                    }
                }
            });
        }
        outcome.await.ok()
    }

    /// Waits until another round may begin.
    async fn next_in(&self, apart: Duration) {
        let began = self.state().began;
        let left = began.map_or(Duration::ZERO, |began| {
            apart.saturating_sub(began.elapsed())
        });
        // The clock of the runtime knows no shorter times.
        if left >= Duration::from_millis(1) {
            sleep(left).await;
        }
    }

    /// Whether somebody waits for another round; if not, none is under way any more. Asked before the pause, not after: the
    /// clock of the runtime overshoots, so one who comes during a pause that nobody waited for would wait longer than one who
    /// begins a pause of his own.
    fn is_awaited(&self) -> bool {
        let mut state = self.state();
        state.next.retain(|sender| !sender.is_closed());
        state.is_running = !state.next.is_empty();
        state.is_running
    }

    /// Those who wait, for the round that begins now.
    fn board(&self) -> Vec<oneshot::Sender<T>> {
        let mut state = self.state();
        state.began = Some(Instant::now());
        std::mem::take(&mut state.next)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for ReadRounds<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
        }
    }
}

impl<T> Default for ReadRounds<T> {
    fn default() -> Self {
        let state = State {
            is_running: false,
            began: None,
            next: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Rounds that end when they are let, and answer their number.
    #[derive(Clone)]
    struct Counted {
        rounds: ReadRounds<usize>,
        apart: Duration,
        begun: Arc<AtomicUsize>,
        ends: Arc<Semaphore>,
    }

    impl Counted {
        fn new() -> Self {
            Self {
                rounds: ReadRounds::default(),
                apart: Duration::ZERO,
                begun: Arc::default(),
                ends: Arc::new(Semaphore::new(0)),
            }
        }

        async fn join(&self) -> Option<usize> {
            let (begun, ends) = (self.begun.clone(), self.ends.clone());
            self.rounds
                .join(self.apart, move || {
                    let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                    let ends = ends.clone();
                    async move {
                        ends.acquire().await.unwrap().forget();
                        number
                    }
                })
                .await
        }

        fn spawn(&self) -> tokio::task::JoinHandle<Option<usize>> {
            let counted = self.clone();
            tokio::spawn(async move { counted.join().await })
        }

        /// Lets all tasks go as far as they can.
        async fn settle(&self) {
            for _turn in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn those_who_come_during_a_round_share_the_next_one() {
        let counted = Counted::new();
        let first = counted.spawn();
        counted.settle().await;
        let late: Vec<_> = (0..50).map(|_| counted.spawn()).collect();
        counted.settle().await;
        assert_eq!(
            counted.begun.load(Ordering::SeqCst),
            1,
            "one round at a time"
        );
        counted.ends.add_permits(1);
        assert_eq!(first.await.unwrap(), Some(1));
        counted.ends.add_permits(1);
        for late in join_all(late).await {
            assert_eq!(late.unwrap(), Some(2));
        }
        counted.settle().await;
        counted.ends.add_permits(1);
        assert_eq!(counted.join().await, Some(3), "after a pause");
    }

    #[tokio::test]
    async fn a_round_outlives_the_one_who_began_it() {
        let counted = Counted::new();
        let first = counted.spawn();
        counted.settle().await;
        let second = counted.spawn();
        counted.settle().await;
        first.abort();
        counted.ends.add_permits(2);
        assert_eq!(second.await.unwrap(), Some(2));
    }

    #[tokio::test]
    async fn rounds_apart_are_shared_by_those_who_come_between() {
        let apart = Duration::from_secs(1);
        let counted = Counted {
            apart,
            ..Counted::new()
        };
        counted.ends.add_permits(100);
        let began = Instant::now();
        assert_eq!(counted.join().await, Some(1), "the first waits for nobody");
        assert!(began.elapsed() < apart);
        let between = [counted.spawn(), counted.spawn()];
        for late in between {
            assert_eq!(late.await.unwrap(), Some(2));
        }
        assert!(began.elapsed() >= apart);
    }
}
