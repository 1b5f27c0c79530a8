//! One search on its way through the scan: what it looks at, and what it has found so far.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vectra_kernel::{FoldedQuery, Probed, Query, TopRows, probe};
use vectra_store::{Part, ShardView};

use super::LeafError;
use super::best_hits::BestHits;
use super::certify::Finding;
use crate::root::{Hit, Precision};

/// Rows kept of each stretch beyond `k`. The floor that a search boards with lets fewer through than this;
/// where it does not, the proof takes a second scan.
const SLACK: usize = 246;

/// Rows of all parts that are looked at before the scan, where the means of leaves say which.
const PROBED_ROWS: usize = 2048;

/// Rows that one thread scans at a time, so that a large part is shared by all of them: a multiple of 16.
const STRETCH_ROWS: usize = 96 << 10;

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
    /// Part, and the rows of it that are scanned in one go.
    stretches: Vec<(usize, Range<usize>)>,
    /// What it was given when it boarded, by part.
    boarded: OnceLock<Vec<Boarded>>,
    left_to_scan: AtomicUsize,
    /// The best of what was scanned so far: the better it is, the less of the rest matters.
    best: Mutex<BestHits>,
    fault: Mutex<Option<LeafError>>,
    reply: Mutex<Option<oneshot::Sender<Answer>>>,
}

/// The query as a part takes it, and the rows of the part that are among the best already.
struct Boarded {
    folded: FoldedQuery,
    known: Vec<u32>,
}

/// A search while a stretch is scanned for it.
pub(super) struct Aboard<'a> {
    job: &'a SearchJob,
    stretch: usize,
    pub(super) part: &'a Part,
    pub(super) folded: &'a FoldedQuery,
    pub(super) floor: f32,
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
        let mut stretches = Vec::new();
        for (number, view) in views.iter().enumerate() {
            for (within, part) in view.parts().iter().enumerate() {
                let rows = part.rows() as usize;
                for start in (0..rows).step_by(STRETCH_ROWS) {
                    stretches.push((parts.len(), start..rows.min(start + STRETCH_ROWS)));
                }
                if rows > 0 {
                    parts.push((number, within));
                }
            }
        }
        Self {
            query,
            k,
            precision,
            left_to_scan: AtomicUsize::new(stretches.len()),
            views,
            parts,
            stretches,
            boarded: OnceLock::new(),
            best: Mutex::new(BestHits::new(k)),
            fault: Mutex::new(None),
            reply: Mutex::new(None),
        }
    }

    /// How many stretches there are to scan.
    pub(super) fn stretch_count(&self) -> usize {
        self.stretches.len()
    }

    /// The part that a stretch is of, and its rows.
    pub(super) fn stretch(&self, index: usize) -> (&Part, Range<usize>) {
        let (part, rows) = &self.stretches[index];
        (self.part(*part), rows.clone())
    }

    fn part(&self, number: usize) -> &Part {
        let (view, part) = self.parts[number];
        &self.views[view].parts()[part]
    }

    /// Where the answer will come.
    pub(super) fn subscribe(&self) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        *self.reply.lock() = Some(sender);
        receiver
    }

    /// Whether the caller went away, or its deadline passed.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply
            .lock()
            .as_ref()
            .is_none_or(oneshot::Sender::is_closed)
    }

    /// Gets ready to scan: the query as each part takes it, and a first look at where the best rows
    /// are likely to be, so that the scan begins with a floor.
    pub(super) fn get_ready(&self) {
        let mut boarded: Vec<Boarded> = (0..self.parts.len())
            .map(|number| Boarded {
                folded: self.query.fold(self.part(number).codes()),
                known: Vec::new(),
            })
            .collect();
        if self.precision == Precision::Exact
            && let Err(fault) = self.score_likely(&mut boarded)
        {
            self.fault.lock().get_or_insert(fault);
        }
        // Only the thread that took the search from the queue comes here.
        let _ = self.boarded.set(boarded);
    }

    /// Scores the rows that a probe finds likely, exactly.
    fn score_likely(&self, boarded: &mut [Boarded]) -> Result<(), LeafError> {
        let probed: Vec<Probed<'_>> = boarded
            .iter()
            .enumerate()
            .map(|(number, boarded)| Probed {
                codes: self.part(number).codes(),
                query: &boarded.folded,
            })
            .collect();
        let rows = PROBED_ROWS.max(2 * self.k);
        // A few more than k, as they are ranked by what their first dimensions say.
        let most = self.k + self.k / 2;
        let likely = probe(&probed, rows, most, |number, row| {
            self.part(number).is_live(row)
        });
        let mut best = self.best.lock();
        let mut vector = Vec::new();
        for (number, row) in likely {
            self.part(number).read_vector(row, &mut vector)?;
            let score = self.query.score(&vector);
            best.offer(score, number, row, |part, row| self.id(part, row))?;
            boarded[number].known.push(row);
        }
        for part in boarded {
            part.known.sort_unstable();
        }
        Ok(())
    }

    /// Gets aboard the scan of a stretch; `None` when nobody waits for the answer any more.
    pub(super) fn board(&self, stretch: usize) -> Option<Aboard<'_>> {
        if self.is_abandoned() {
            return None;
        }
        let (number, rows) = &self.stretches[stretch];
        let folded = &self.boarded.get()?.get(*number)?.folded;
        let capacity = match self.precision {
            Precision::Exact => self.k.saturating_add(SLACK),
            Precision::Sq8 => self.k,
        };
        let floor = match (self.best.lock().kth_score(), self.precision) {
            (None, _) => f32::NEG_INFINITY,
            (Some(kth), Precision::Exact) => kth,
            // Here the k-th best is what integers say: a cosine may be off by the error.
            (Some(kth), Precision::Sq8) => ((f64::from(kth) - folded.error()) as f32).next_down(),
        };
        Some(Aboard {
            job: self,
            stretch,
            part: self.part(*number),
            folded,
            floor,
            top: TopRows::new(capacity.min(rows.len())),
        })
    }

    /// One more stretch is done. The thread that did the last one sends the answer.
    pub(super) fn stretch_done(&self) {
        // AcqRel: the last thread sees what the others found.
        if self.left_to_scan.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(reply) = self.reply.lock().take() else {
            return;
        };
        let answer = match self.fault.lock().take() {
            Some(fault) => Err(fault),
            None => self.best.lock().take_sorted(|part, row| self.id(part, row)),
        };
        // A receiver that went away in the meantime wants no answer.
        let _ = reply.send(answer);
    }

    fn id(&self, part: usize, row: u32) -> Result<String, LeafError> {
        Ok(self.part(part).id(row)?)
    }

    /// Ends the search without an answer: scanning for it panicked.
    pub(super) fn abandon(&self) {
        self.reply.lock().take();
    }
}

impl Aboard<'_> {
    /// Turns what the scan of this stretch kept into hits.
    pub(super) fn settle(self) {
        let job = self.job;
        let (number, rows) = &job.stretches[self.stretch];
        let known = job.boarded.get().and_then(|boarded| boarded.get(*number));
        let finding = Finding {
            query: &job.query,
            parts: &|part| job.part(part),
            number: *number,
            stretch: rows.clone(),
            folded: self.folded,
            known: known.map_or(&[], |boarded| &boarded.known),
            dropped: self.top.best_dropped(),
            rows: self.top.into_sorted(),
        };
        let mut best = job.best.lock();
        let settled = match job.precision {
            Precision::Exact => finding.settle_exactly(&mut best),
            Precision::Sq8 => finding.settle_by_integers(&mut best),
        };
        if let Err(fault) = settled {
            job.fault.lock().get_or_insert(fault);
        }
    }
}
