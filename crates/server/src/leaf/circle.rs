//! The order in which stretches of codes are scanned: round and round, for all who want them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::search_job::SearchJob;

/// Searches aboard one scan of a stretch at the most.
const ABOARD: usize = 96;

/// Which codes, and from which row on.
type Place = (usize, usize);

/// A stretch of codes, and who wants it scanned: each search with its own number for it.
pub(super) type Stop = Vec<(Arc<SearchJob>, usize)>;

/// Something for a scanning thread to do.
pub(super) enum Work {
    /// Get a search ready, then bring it back to [`Circle::board`].
    GetReady(Arc<SearchJob>),
    /// Scan a stretch for these.
    Scan(Stop),
}

/// What waits for the scanning threads.
///
/// A search that is ready joins at every stop at once and leaves after the last of them, one full turn
/// at the most. Each stop is served for all who wait at it by then: so a busy node shares one reading of
/// the codes by itself, and an idle one waits for nothing.
#[derive(Default)]
pub(super) struct Circle {
    arrived: VecDeque<Arc<SearchJob>>,
    stops: BTreeMap<Place, VecDeque<(Arc<SearchJob>, usize)>>,
    /// Where the next stop is looked for.
    next: Place,
}

impl Circle {
    /// Searches that no thread has taken up yet.
    pub(super) fn waiting(&self) -> usize {
        self.arrived.len()
    }

    pub(super) fn arrive(&mut self, job: Arc<SearchJob>) {
        self.arrived.push_back(job);
    }

    /// Puts a search that is ready at each of its stops.
    pub(super) fn board(&mut self, job: &Arc<SearchJob>) {
        for index in 0..job.stretch_count() {
            let (part, rows) = job.stretch(index);
            // Where its frame lies tells one set of codes from another. Views taken at different
            // moments share most of their segments, though not their tombstones.
            let place = (std::ptr::from_ref(part.codes().frame()).addr(), rows.start);
            let stop = self.stops.entry(place).or_default();
            stop.push_back((Arc::clone(job), index));
        }
    }

    /// What to do next: those who arrived get ready first, as more aboard cost little.
    pub(super) fn next(&mut self) -> Option<Work> {
        if let Some(job) = self.arrived.pop_front() {
            return Some(Work::GetReady(job));
        }
        let after = self.stops.range(self.next..).next();
        let (&place, _) = after.or_else(|| self.stops.first_key_value())?;
        self.next = (place.0, place.1 + 1);
        let waiting = self.stops.get_mut(&place)?;
        let aboard = waiting.len().min(ABOARD);
        let stop: Stop = waiting.drain(..aboard).collect();
        if waiting.is_empty() {
            self.stops.remove(&place);
        }
        Some(Work::Scan(stop))
    }
}
