//! One search on its way through the scan: what it looks at, and what it has found so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vectra_kernel::{FoldedQuery, Query, TopRows};
use vectra_store::{Part, ShardView};

use super::LeafError;
use super::best_hits::BestHits;
use super::certify;
use crate::root::{Hit, Precision};

/// Rows kept of each part beyond `k`, so that the proof closes without a second scan: on SIFT-1M as
/// one segment 8 in 500 searches needed one with 118 rows beyond, 1 with 246
/// (`benches/results/2026-11-22-scan.md`).
const SLACK: usize = 246;

/// The hits, best first.
type Answer = Result<Vec<Hit>, LeafError>;

/// One search, shared by the threads that scan for it.
pub(super) struct SearchJob {
    query: Query,
    k: usize,
    precision: Precision,
    views: Vec<Arc<ShardView>>,
    /// View and part within it: what there is to scan.
    parts: Vec<(usize, usize)>,
    left_to_scan: AtomicUsize,
    /// The best of the parts scanned so far: the better it is, the less of the others matters.
    best: Mutex<BestHits>,
    fault: Mutex<Option<LeafError>>,
    reply: Mutex<Option<oneshot::Sender<Answer>>>,
}

/// A search while one of its parts is scanned.
pub(super) struct Aboard<'a> {
    job: &'a SearchJob,
    pub(super) part: &'a Part,
    pub(super) folded: FoldedQuery,
    pub(super) top: TopRows,
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
            let with_rows = within.filter(|&part| view.parts()[part].rows() > 0);
            parts.extend(with_rows.map(|part| (number, part)));
        }
        Self {
            query,
            k,
            precision,
            left_to_scan: AtomicUsize::new(parts.len()),
            views,
            parts,
            best: Mutex::new(BestHits::new(k)),
            fault: Mutex::new(None),
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
    pub(super) fn subscribe(&self) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        *self.reply.lock() = Some(sender);
        receiver
    }

    /// Gets ready to scan one part; `None` when nobody waits for the answer any more, because the
    /// caller went away or its deadline passed.
    pub(super) fn board(&self, part: usize) -> Option<Aboard<'_>> {
        let nobody_waits = self
            .reply
            .lock()
            .as_ref()
            .is_none_or(oneshot::Sender::is_closed);
        if nobody_waits {
            return None;
        }
        let part = self.part(part);
        let folded = self.query.fold(part.codes());
        let capacity = self.k.saturating_add(SLACK).min(part.rows() as usize);
        // What the other parts have yielded already rules out most rows of this one.
        let kth_score = self.best.lock().kth_score();
        let top = match (self.precision, kth_score) {
            (Precision::Exact, Some(kth)) => TopRows::with_floor(capacity, folded.floor_for(kth)),
            _ => TopRows::new(capacity),
        };
        Some(Aboard {
            job: self,
            part,
            folded,
            top,
        })
    }

    /// One more part is done. The thread that did the last one sends the answer.
    pub(super) fn part_done(&self) {
        // AcqRel: the last thread sees what the others found.
        if self.left_to_scan.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(reply) = self.reply.lock().take() else {
            return;
        };
        let answer = match self.fault.lock().take() {
            Some(fault) => Err(fault),
            None => Ok(self.best.lock().take_sorted()),
        };
        // A receiver that went away in the meantime wants no answer.
        let _ = reply.send(answer);
    }

    /// Ends the search without an answer: scanning for it panicked.
    pub(super) fn abandon(&self) {
        self.reply.lock().take();
    }
}

impl Aboard<'_> {
    /// Turns what the scan of this part kept into hits.
    pub(super) fn settle(self) {
        let Self {
            job,
            part,
            folded,
            top,
        } = self;
        let dropped = top.best_dropped();
        let found = certify::PartFinding {
            part,
            folded,
            rows: top.into_sorted(),
            dropped,
        };
        let mut best = job.best.lock();
        let settled = match job.precision {
            Precision::Exact => certify::settle_exactly(&job.query, found, &mut best),
            Precision::Sq8 => certify::settle_by_integers(found, &mut best),
        };
        if let Err(fault) = settled {
            job.fault.lock().get_or_insert(fault);
        }
    }
}
