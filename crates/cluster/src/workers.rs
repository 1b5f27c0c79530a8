//! Where work is done that keeps a core busy or waits for a disk.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLock, oneshot};

/// How much less of a core than a search the work in the background gets where both want it: a tenth, by
/// the weights of Linux's scheduler. On idle cores it gets all it can use.
const NICENESS: i32 = 10;

/// Where work is done that keeps a core busy or waits for a disk.
#[derive(Clone, Default)]
pub enum Workers {
    /// On threads, beside the tasks of the async runtime.
    #[default]
    Threads,
    /// In the very task that asks for it, after a pause: one piece of work after the other, in an order
    /// that no scheduler of the operating system has a say in. So a node can be simulated.
    InTurn(Arc<dyn Pace>),
}

/// How long work takes where it is done in turn.
pub trait Pace: Send + Sync + 'static {
    /// How long this takes: `"log"` for a write of the raft log with its sync, or what else it is called.
    fn pause(&self, work: &str) -> Duration;
}

impl fmt::Debug for Workers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Threads => "Threads",
            Self::InTurn(_) => "InTurn",
        })
    }
}

/// Work that is not over, or still holds what it worked on: whoever wants to open that again waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished(Arc<RwLock<()>>);

impl Unfinished {
    /// Waits until no work is left.
    pub(crate) async fn ended(&self) {
        drop(self.0.write().await);
    }
}

impl Workers {
    /// Runs blocking work that somebody waits for.
    ///
    /// # Errors
    ///
    /// That the work broke off.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work)
                .await
                .map_err(|error| error.to_string()),
            Self::InTurn(pace) => {
                tokio::time::sleep(pace.pause(name)).await;
                Ok(work())
            }
        }
    }

    /// Runs blocking work of seconds, as sealing or compaction, that must not stand in the way of
    /// searches: on a thread of its own and of low priority.
    ///
    /// A thread of its own, because priority is lost for good: a thread of the runtime's pool would later
    /// hold up what somebody waits for. It counts as `unfinished` until all that it holds is dropped,
    /// whether somebody waits for the result or not.
    ///
    /// # Errors
    ///
    /// Why the thread could not be started, or that the work broke.
    pub(crate) async fn run_in_background<T: Send + 'static>(
        &self,
        name: &'static str,
        unfinished: &Unfinished,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let until_dropped = unfinished.0.clone().read_owned().await;
        let run = move || {
            let _until_dropped = until_dropped;
            work()
        };
        if let Self::InTurn(_) = self {
            // In a task of its own: it goes on when nobody waits any more.
            let workers = self.clone();
            let task = tokio::spawn(async move { workers.run(name, run).await });
            return task.await.map_err(|error| error.to_string())?;
        }
        let (sender, done) = oneshot::channel();
        let on_thread = move || {
            // Only courtesy: where it is refused, the work is done all the same.
            let _ = lower_priority();
            // Nobody waits any more: what was done stays done.
            let _ = sender.send(run());
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(on_thread)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        done.await
            .map_err(|_| "the thread broke off; the log says more".to_owned())
    }
}

/// Of the calling thread alone; elsewhere than on Linux there is no such thing.
#[cfg(target_os = "linux")]
fn lower_priority() -> std::io::Result<()> {
    let before = rustix::process::getpriority_process(None)?;
    rustix::process::setpriority_process(None, before + NICENESS)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_the_thread_of_the_work_has_low_priority() {
        let of_this_thread = || rustix::process::getpriority_process(None).unwrap();
        let before = of_this_thread();
        let inside = Workers::Threads
            .run_in_background("background", &Unfinished::default(), of_this_thread)
            .await;
        assert_eq!(inside, Ok((before + NICENESS).min(19)));
        assert_eq!(of_this_thread(), before);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_unfinished_until_it_lets_go() {
        let (begun, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel();
        let (held, unfinished) = (Arc::new(()), Unfinished::default());
        let holds = held.clone();
        let abandoned = tokio::spawn({
            let unfinished = unfinished.clone();
            async move {
                let work = move || {
                    let _holds = holds;
                    begun.send(()).unwrap();
                    may_go_on.recv().unwrap();
                };
                Workers::Threads
                    .run_in_background("background", &unfinished, work)
                    .await
            }
        });
        has_begun.await.unwrap();
        abandoned.abort();
        go_on.send(()).unwrap();
        unfinished.ended().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error() {
        let unfinished = Unfinished::default();
        let result = Workers::Threads
            .run_in_background("background", &unfinished, || panic!("on purpose"))
            .await;
        unfinished.ended().await;
        assert_eq!(
            result,
            Err::<(), _>("the thread broke off; the log says more".to_owned())
        );
    }

    struct Slow;

    impl Pace for Slow {
        fn pause(&self, work: &str) -> Duration {
            Duration::from_millis(10 * work.len() as u64)
        }
    }

    #[tokio::test]
    async fn work_in_turn_is_done_by_its_task_after_its_pause() {
        let began = tokio::time::Instant::now();
        let workers = Workers::InTurn(Arc::new(Slow));
        let here = std::thread::current().id();
        let there = workers.run("four", move || std::thread::current().id());
        assert_eq!(there.await, Ok(here));
        assert!(began.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn work_in_turn_in_the_background_goes_on_when_nobody_waits() {
        let workers = Workers::InTurn(Arc::new(Slow));
        let unfinished = Unfinished::default();
        let (sender, done) = oneshot::channel();
        let abandoned = tokio::time::timeout(
            Duration::from_millis(1),
            workers.run_in_background("seal", &unfinished, move || sender.send(())),
        );
        assert!(abandoned.await.is_err());
        unfinished.ended().await;
        assert!(done.await.is_ok());
    }
}
