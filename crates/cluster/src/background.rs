//! Work that must not stand in the way of searches.

use std::sync::Arc;

use tokio::sync::{RwLock, oneshot};

/// How much less of a core than a search the work gets where both want it: a tenth, by the weights of
/// Linux's scheduler. On idle cores it gets all it can use.
const NICENESS: i32 = 10;

/// Work that is not over, or still holds what it worked on: whoever wants to open that again waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished(Arc<RwLock<()>>);

impl Unfinished {
    /// Waits until no work is left.
    pub(crate) async fn ended(&self) {
        drop(self.0.write().await);
    }
}

/// Runs blocking work of seconds, as sealing or compaction, on a thread of its own and of low priority.
///
/// A thread of its own, because priority is lost for good: a thread of the runtime's pool would later
/// hold up what somebody waits for. It counts as `unfinished` until all that it holds is dropped, whether
/// somebody waits for the result or not.
///
/// # Errors
///
/// Why the thread could not be started, or that the work broke.
pub(crate) async fn run_in_background<T: Send + 'static>(
    name: &str,
    unfinished: &Unfinished,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, done) = oneshot::channel();
    let until_dropped = unfinished.0.clone().read_owned().await;
    let run = move || {
        let _until_dropped = until_dropped;
        // Only courtesy: where it is refused, the work is done all the same.
        let _ = lower_priority();
        // Nobody waits any more: what was done stays done.
        let _ = sender.send(work());
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    done.await
        .map_err(|_| "the thread broke off; the log says more".to_owned())
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
        let inside = run_in_background("background", &Unfinished::default(), of_this_thread).await;
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
                run_in_background("background", &unfinished, work).await
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
        let result = run_in_background("background", &unfinished, || panic!("on purpose")).await;
        unfinished.ended().await;
        assert_eq!(
            result,
            Err::<(), _>("the thread broke off; the log says more".to_owned())
        );
    }
}
