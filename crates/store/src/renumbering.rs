//! What becomes of row numbers when live rows are written anew.

use roaring::RoaringBitmap;
use std::sync::Arc;

/// How the rows of some sources (frozen generations, or segments) went into new segments: the rows
/// that were not dropped, source after source, filled one target after the other, each in an order of
/// its own.
#[derive(Debug, Clone)]
pub(crate) struct Renumbering {
    sources: Vec<Source>,
    /// Of each target, the row that each row written to it became.
    targets: Vec<Arc<[u32]>>,
}

#[derive(Debug, Clone)]
struct Source {
    /// The rows that were not written.
    dropped: Arc<RoaringBitmap>,
    /// How many rows of sources before this one were written.
    first: u64,
}

impl Renumbering {
    /// `sources`: the rows of each, and those of them that were dropped.
    pub(crate) fn new(
        sources: impl IntoIterator<Item = (u32, Arc<RoaringBitmap>)>,
        targets: Vec<Arc<[u32]>>,
    ) -> Self {
        let mut first = 0;
        let sources = sources.into_iter().map(|(rows, dropped)| {
            let written = u64::from(rows) - dropped.len();
            let source = Source { dropped, first };
            first += written;
            source
        });
        Self {
            sources: sources.collect(),
            targets,
        }
    }

    /// Given the rows of each source that are dead by now (at least those that were dropped),
    /// the rows of each target that are.
    pub(crate) fn dead_rows(&self, dead_now: &[Arc<RoaringBitmap>]) -> Vec<RoaringBitmap> {
        let mut dead = vec![RoaringBitmap::new(); self.targets.len()];
        let mut target = 0;
        let mut target_first = 0u64;
        for (source, dead_now) in self.sources.iter().zip(dead_now) {
            // Both are ascending, so that the rows come in the order they were written, over all sources.
            for row in (&**dead_now - &*source.dropped).iter() {
                let new = source.first + u64::from(row) - source.dropped.rank(row);
                while let Some(places) = self.targets.get(target) {
                    if new < target_first + places.len() as u64 {
                        break;
                    }
                    target_first += places.len() as u64;
                    target += 1;
                }
                if let (Some(dead), Some(places)) = (dead.get_mut(target), self.targets.get(target))
                {
                    dead.insert(places[(new - target_first) as usize]);
                }
            }
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_dies_where_it_was_written_to(
            sources in prop::collection::vec(prop::collection::vec(0..3u8, 0..40), 0..5),
            cuts in prop::collection::vec(1..20u32, 1..10),
        ) {
            // 0: dropped, 1: written and dead since, 2: written and live.
            let bitmap = |source: &[u8], below| {
                let rows = (0..).zip(source).filter(|&(_, &state)| state < below);
                Arc::new(rows.map(|(row, _)| row).collect::<RoaringBitmap>())
            };
            let written: Vec<u8> = sources.iter().flatten().copied().filter(|&s| s > 0).collect();
            let mut targets = Vec::new();
            let mut expected = Vec::new();
            let mut rest = written.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (target, later) = rest.split_at((*cut as usize).min(rest.len()));
                // Written in the order turned round.
                let rows = target.len() as u32;
                targets.push((0..rows).rev().collect::<Arc<[u32]>>());
                let dead = (0..).zip(target).filter(|&(_, &state)| state == 1);
                expected.push(dead.map(|(row, _)| rows - 1 - row).collect::<RoaringBitmap>());
                rest = later;
            }
            let dropped = sources.iter().map(|s| (s.len() as u32, bitmap(s, 1)));
            let dead_now: Vec<_> = sources.iter().map(|s| bitmap(s, 2)).collect();
            let renumbering = Renumbering::new(dropped, targets);
            prop_assert_eq!(renumbering.dead_rows(&dead_now), expected);
        }
    }
}
