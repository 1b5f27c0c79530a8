//! One search on its way through the scan: what it looks at, what it has found so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vectra_kernel::{FoldedQuery, Query, TopRows, scan_top};
use vectra_store::{Part, ShardView};

use super::LeafError;
use super::certify;
use crate::root::{Hit, Precision};

/// Rows kept of each part beyond `k`, so that the proof closes without a second scan: on SIFT-1M as
/// one segment 8 in 500 searches needed one with 118 rows beyond, 1 with 246
/// (`benches/results/2026-11-22-scan.md`). Keeping them costs next to nothing.
const SLACK: usize = 246;

/// What the scan of one part left over.
pub(super) struct PartFinding {
    /// Index among the parts of the job.
    pub(super) part: usize,
    pub(super) folded: FoldedQuery,
    /// Best first: integer score and row.
    pub(super) rows: Vec<(i32, u32)>,
    /// The best integer score among live rows that did not fit in `rows`.
    pub(super) dropped: Option<i32>,
}

/// One search, shared by the threads that scan for it.
pub(super) struct SearchJob {
    pub(super) query: Query,
    pub(super) k: usize,
    pub(super) precision: Precision,
    views: Vec<Arc<ShardView>>,
    /// View and part within it: what there is to scan.
    parts: Vec<(usize, usize)>,
    left_to_scan: AtomicUsize,
    findings: Mutex<Vec<PartFinding>>,
    reply: Mutex<Option<oneshot::Sender<Result<Vec<Hit>, LeafError>>>>,
}

impl SearchJob {
    pub(super) fn new(
        query: Query,
        k: usize,
        precision: Precision,
        views: Vec<Arc<ShardView>>,
    ) -> Self {
        let mut parts = Vec::new();
        for (number, view) in views.iter().enumerate() {
            let within = 0..view.parts().len();
            parts.extend(
                within
                    .filter(|&part| view.parts()[part].rows() > 0)
                    .map(|part| (number, part)),
            );
        }
        Self {
            query,
            k,
            precision,
            left_to_scan: AtomicUsize::new(parts.len()),
            findings: Mutex::new(Vec::with_capacity(parts.len())),
            views,
            parts,
            reply: Mutex::new(None),
        }
    }

    /// How many parts there are to scan.
    pub(super) fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// Part number `index` of [`SearchJob::part_count`].
    pub(super) fn part(&self, index: usize) -> &Part {
        let (view, part) = self.parts[index];
        &self.views[view].parts()[part]
    }

    /// Where the answer will come.
    pub(super) fn subscribe(&self) -> oneshot::Receiver<Result<Vec<Hit>, LeafError>> {
        let (sender, receiver) = oneshot::channel();
        *self.reply.lock() = Some(sender);
        receiver
    }

    /// Nobody waits for the answer any more: the caller went away, or its deadline passed.
    fn is_abandoned(&self) -> bool {
        self.reply
            .lock()
            .as_ref()
            .is_none_or(oneshot::Sender::is_closed)
    }

    /// Scans one part. The thread that scans the last one also finishes the job.
    pub(super) fn scan_part(&self, part: usize) {
        if !self.is_abandoned() {
            let finding = self.find_in(part);
            self.findings.lock().push(finding);
        }
        // AcqRel: the finishing thread sees what the other threads found.
        if self.left_to_scan.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish();
        }
    }

    /// Ends the search without an answer: scanning for it panicked.
    pub(super) fn abandon(&self) {
        self.reply.lock().take();
    }

    fn find_in(&self, index: usize) -> PartFinding {
        let part = self.part(index);
        let codes = part.codes();
        let folded = self.query.fold(codes);
        let mut top = TopRows::new(self.k.saturating_add(SLACK).min(part.rows() as usize));
        scan_top(codes, &folded, |row| part.is_live(row), &mut top);
        let dropped = top.best_dropped();
        PartFinding {
            part: index,
            folded,
            rows: top.into_sorted(),
            dropped,
        }
    }

    /// Turns the findings of all parts into the answer and sends it.
    fn finish(&self) {
        if self.is_abandoned() {
            self.reply.lock().take();
            return;
        }
        let findings = std::mem::take(&mut *self.findings.lock());
        let answer = match self.precision {
            Precision::Exact => certify::exact_top(self, &findings),
            Precision::Sq8 => certify::integer_top(self, &findings),
        };
        if let Some(reply) = self.reply.lock().take() {
            // A receiver that went away in the meantime wants no answer.
            let _ = reply.send(answer);
        }
    }
}
