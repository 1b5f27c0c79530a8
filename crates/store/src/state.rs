//! What the one writer of a shard works on.

use crate::{
    Part, ShardView,
    growing::{Generation, GrowingBlock},
    ids::hash_id,
    renumbering::Renumbering,
    segment::SealedSegment,
};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Ids looked up between two times that the segments let go of the pages this touched.
const LOOKUPS_PER_RELEASE: usize = 16_384;

/// The present rows of a shard. Searches never see this, but the views made from it.
#[derive(Debug, Default)]
pub(crate) struct State {
    dimension: usize,
    /// Oldest first, in the order of the manifest.
    pub(crate) sealed: Vec<SealedPart>,
    /// Oldest first; rows go to the last one.
    pub(crate) generations: Vec<Generation>,
    next_generation: u64,
    /// How many checkpoints were made or installed since the shard was opened.
    pub(crate) checkpoints: u64,
    /// What compaction did since the last checkpoint.
    pub(crate) rewrites: Vec<Arc<Rewrite>>,
    lookups: usize,
}

/// A sealed segment and the rows of it that are dead by now.
#[derive(Debug, Clone)]
pub(crate) struct SealedPart {
    pub(crate) segment: Arc<SealedSegment>,
    pub(crate) dead: Arc<RoaringBitmap>,
}

/// Neighbouring segments that compaction replaced.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pub(crate) sources: Vec<u64>,
    pub(crate) targets: Vec<Arc<SealedSegment>>,
    pub(crate) renumbering: Renumbering,
}

/// Where a live row is.
#[derive(Clone, Copy)]
enum Place {
    Sealed { part: usize, row: u32 },
    Growing { generation: usize, row: u32 },
}

impl State {
    pub(crate) fn new(dimension: usize, sealed: Vec<SealedPart>) -> Self {
        Self {
            dimension,
            sealed,
            ..Self::default()
        }
    }

    /// Adds rows with distinct ids, in place of those with the same ids. Returns how many of the
    /// ids existed.
    pub(crate) fn upsert(&mut self, block: GrowingBlock) -> u64 {
        // In the order of the index, so that the lookups walk each segment's index in one pass.
        let replaced: Vec<Place> = block
            .index()
            .iter()
            .filter_map(|&(hash, row)| self.locate(hash, block.ids().get(row)))
            .collect();
        self.kill(&replaced);
        self.count_lookups(block.rows() as usize);
        let has_room = self
            .generations
            .last()
            .is_some_and(|last| last.has_room(block.rows()));
        if !has_room {
            self.begin_generation();
        }
        if let Some(last) = self.generations.last_mut() {
            last.append(self.dimension, block);
        }
        replaced.len() as u64
    }

    /// Removes the rows with these ids. Returns how many there were.
    pub(crate) fn delete<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> u64 {
        let mut deleted = 0;
        let mut count = 0;
        for id in ids {
            count += 1;
            // One at a time, so that an id given twice counts once.
            if let Some(place) = self.locate(hash_id(id), id) {
                self.kill(&[place]);
                deleted += 1;
            }
        }
        self.count_lookups(count);
        deleted
    }

    /// Makes the rows that come next belong to another generation than those so far.
    pub(crate) fn close_generation(&mut self) {
        if self.generations.last().is_some_and(|last| last.rows() > 0) {
            self.begin_generation();
        }
    }

    fn begin_generation(&mut self) {
        self.generations.push(Generation::new(self.next_generation));
        self.next_generation += 1;
    }

    /// Replaces segments by what compaction made of them.
    pub(crate) fn rewrite(&mut self, rewrite: Rewrite) {
        let segments = self
            .sealed
            .iter()
            .map(|part| (part.segment.number(), part.dead.clone()));
        let dead = rewrite.apply(segments.collect());
        let known = self.sealed.iter().map(|part| &part.segment);
        let segments: Vec<Arc<SealedSegment>> = known.chain(&rewrite.targets).cloned().collect();
        self.sealed = dead
            .into_iter()
            .filter_map(|(number, dead)| {
                let segment = segments
                    .iter()
                    .find(|segment| segment.number() == number)?
                    .clone();
                Some(SealedPart { segment, dead })
            })
            .collect();
        self.rewrites.push(Arc::new(rewrite));
    }

    pub(crate) fn view(&self) -> ShardView {
        let sealed = self
            .sealed
            .iter()
            .map(|part| Part::sealed(part.segment.clone(), part.dead.clone()));
        let growing = self.generations.iter().flat_map(|generation| {
            let dead = &generation.dead;
            generation
                .blocks()
                .iter()
                .map(|placed| Part::growing(placed.clone(), dead.clone()))
        });
        ShardView::new(self.dimension, sealed.chain(growing).collect())
    }

    fn locate(&self, hash: u64, id: &str) -> Option<Place> {
        let growing = self
            .generations
            .iter()
            .enumerate()
            .rev()
            .find_map(|(generation, rows)| {
                Some(Place::Growing {
                    generation,
                    row: rows.live_row(hash, id)?,
                })
            });
        growing.or_else(|| {
            self.sealed
                .iter()
                .enumerate()
                .rev()
                .find_map(|(part, sealed)| {
                    let row = sealed.segment.row_of(hash, id)?;
                    (!sealed.dead.contains(row)).then_some(Place::Sealed { part, row })
                })
        })
    }

    fn kill(&mut self, places: &[Place]) {
        for place in places {
            match *place {
                Place::Sealed { part, row } => {
                    Arc::make_mut(&mut self.sealed[part].dead).insert(row);
                }
                Place::Growing { generation, row } => {
                    Arc::make_mut(&mut self.generations[generation].dead).insert(row);
                }
            }
        }
    }

    fn count_lookups(&mut self, lookups: usize) {
        self.lookups += lookups;
        if self.lookups >= LOOKUPS_PER_RELEASE {
            self.lookups = 0;
            self.sealed
                .iter()
                .for_each(|part| part.segment.release_pages());
        }
    }
}

impl Rewrite {
    /// Given the dead rows of each segment before, by number, those of each segment after.
    pub(crate) fn apply(
        &self,
        before: Vec<(u64, Arc<RoaringBitmap>)>,
    ) -> Vec<(u64, Arc<RoaringBitmap>)> {
        let is_source = |number: &u64| self.sources.contains(number);
        let of_sources: Vec<Arc<RoaringBitmap>> = before
            .iter()
            .filter(|(number, _)| is_source(number))
            .map(|(_, dead)| dead.clone())
            .collect();
        let mut targets = Some(
            self.targets.iter().map(|segment| segment.number()).zip(
                self.renumbering
                    .dead_rows(&of_sources)
                    .into_iter()
                    .map(Arc::new),
            ),
        );
        let mut after = Vec::with_capacity(before.len());
        for segment in before {
            if is_source(&segment.0) {
                // In the place of the first source; the other sources go without replacement.
                after.extend(targets.take().into_iter().flatten());
            } else {
                after.push(segment);
            }
        }
        after
    }
}
