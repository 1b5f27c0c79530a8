//! What the one writer of a shard works on.

use crate::{
    Part, ShardView, StoreError,
    growing::{Generation, GrowingRows},
    ids::hash_id,
    renumbering::Renumbering,
    segment::{IdsReader, SealedSegment},
};
use roaring::RoaringBitmap;
use std::sync::Arc;

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
    /// ids existed. An error has changed nothing.
    pub(crate) fn upsert(&mut self, rows: GrowingRows) -> Result<u64, StoreError> {
        let ids = rows.index().iter();
        let replaced = self.locate_all(ids.map(|&(hash, row)| (hash, rows.ids().get(row))))?;
        self.kill(&replaced);
        let has_room = self
            .generations
            .last()
            .is_some_and(|last| last.has_room(rows.count()));
        if !has_room {
            self.begin_generation();
        }
        if let Some(last) = self.generations.last_mut() {
            last.append(self.dimension, rows);
        }
        Ok(replaced.len() as u64)
    }

    /// Removes the rows with these ids. Returns how many there were. An error has changed nothing.
    pub(crate) fn delete<'a>(
        &mut self,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<u64, StoreError> {
        let mut ids: Vec<(u64, &str)> = ids.map(|id| (hash_id(id), id)).collect();
        ids.sort_unstable();
        // An id given twice counts once.
        ids.dedup();
        let deleted = self.locate_all(ids.into_iter())?;
        self.kill(&deleted);
        Ok(deleted.len() as u64)
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

    /// Where the live rows with these ids are. The ids come with their hashes, in the order of
    /// these, so that each page of a segment's index is read once.
    fn locate_all<'a>(
        &self,
        ids: impl Iterator<Item = (u64, &'a str)>,
    ) -> Result<Vec<Place>, StoreError> {
        let mut readers: Vec<IdsReader<'_>> =
            self.sealed.iter().map(|part| part.segment.ids()).collect();
        let mut found = Vec::new();
        for (hash, id) in ids {
            let place = match self.locate_growing(hash, id) {
                None => self.locate_sealed(&mut readers, hash, id)?,
                growing => growing,
            };
            found.extend(place);
        }
        Ok(found)
    }

    fn locate_growing(&self, hash: u64, id: &str) -> Option<Place> {
        let mut newest_first = self.generations.iter().enumerate().rev();
        newest_first.find_map(|(generation, rows)| {
            let row = rows.live_row(hash, id)?;
            Some(Place::Growing { generation, row })
        })
    }

    /// `readers`: one a segment.
    fn locate_sealed(
        &self,
        readers: &mut [IdsReader<'_>],
        hash: u64,
        id: &str,
    ) -> Result<Option<Place>, StoreError> {
        let newest_first = self.sealed.iter().zip(readers).enumerate().rev();
        for (part, (sealed, reader)) in newest_first {
            let row = reader.row_of(hash, id)?;
            if let Some(row) = row.filter(|&row| !sealed.dead.contains(row)) {
                return Ok(Some(Place::Sealed { part, row }));
            }
        }
        Ok(None)
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
