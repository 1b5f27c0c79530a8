//! How an import shows that it goes on: a bar on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use vectra_client::{ClientError, ImportObserver};

/// Plain lines come no more often than this.
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// Of failures that will be tried again, no more than this is shown.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(2);

/// Progress on standard error.
pub(super) struct Progress {
    /// Hidden until the files are open, and for good if nobody could see a bar move.
    bar: ProgressBar,
    on_terminal: bool,
    begun: Instant,
    rows: AtomicU64,
    total: AtomicU64,
    last_line: Mutex<Option<Instant>>,
    last_warning: Mutex<Option<Instant>>,
}

impl Progress {
    pub(super) fn new(on_terminal: bool) -> Self {
        Self {
            bar: if on_terminal {
                ProgressBar::new_spinner()
            } else {
                ProgressBar::hidden()
            },
            on_terminal,
            begun: Instant::now(),
            rows: AtomicU64::new(0),
            total: AtomicU64::new(0),
            last_line: Mutex::new(Some(Instant::now())),
            last_warning: Mutex::new(None),
        }
    }

    /// Rows acknowledged so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self) -> String {
        let rows = self.rows();
        let rate = rows as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        match self.total.load(Ordering::Relaxed) {
            0 => format!("{rows} vectors, {rate:.0} vectors/s"),
            total => {
                let percent = rows as f64 / total as f64 * 100.0;
                format!("{rows} of {total} vectors ({percent:.0} %), {rate:.0} vectors/s")
            }
        }
    }
}

impl ImportObserver for Progress {
    fn opened(&self, rows: Option<u64>) {
        self.total.store(rows.unwrap_or(0), Ordering::Relaxed);
        let template = match rows {
            Some(rows) => {
                self.bar.set_length(rows);
                "{bar:30} {human_pos} of {human_len} vectors  {per_sec}  {eta} left"
            }
            None => "{spinner} {human_pos} vectors  {per_sec}",
        };
        // A template that does not parse leaves the default style, which shows as much.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    fn stored(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bar.inc(rows);
        if !self.on_terminal && is_due(&self.last_line, BETWEEN_LINES) {
            eprintln!("{}", self.line());
        }
    }

    fn retrying(&self, error: &ClientError, pause: Duration) {
        if !is_due(&self.last_warning, BETWEEN_WARNINGS) {
            return;
        }
        let warning = format!("{error}; trying again in {:.1} s", pause.as_secs_f64());
        if self.on_terminal {
            self.bar.println(warning);
        } else {
            eprintln!("{warning}");
        }
    }
}

/// Whether it is so long since the last time; if so, this is the last time.
fn is_due(last: &Mutex<Option<Instant>>, interval: Duration) -> bool {
    let Ok(mut last) = last.lock() else {
        return false;
    };
    let is_due = last.is_none_or(|last| last.elapsed() >= interval);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_and_how_fast() {
        let progress = Progress::new(false);
        progress.opened(Some(200));
        progress.stored(50);
        assert!(
            progress.line().starts_with("50 of 200 vectors (25 %), "),
            "{}",
            progress.line()
        );
        progress.opened(None);
        assert!(
            progress.line().starts_with("50 vectors, "),
            "{}",
            progress.line()
        );
        assert_eq!(progress.rows(), 50);
    }

    #[test]
    fn lines_keep_their_distance() {
        let last = Mutex::new(None);
        assert!(is_due(&last, Duration::from_secs(3600)));
        assert!(!is_due(&last, Duration::from_secs(3600)));
        assert!(is_due(&last, Duration::ZERO));
    }
}
