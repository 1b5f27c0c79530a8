//! Division: some rows of a shard become another shard.

use super::{Maintenance, Shard};
use crate::{
    StoreError,
    directory::{self, Directory},
    growing::Generation,
    manifest::Manifest,
    numbers::SegmentNumbers,
    segment::{SealedSegment, SegmentBuilder, SegmentEntry},
};
use bytes::Bytes;
use roaring::RoaringBitmap;
use std::{
    path::Path,
    sync::{Arc, MutexGuard},
};

/// Rows of a shard that are about to leave it: written first as a shard of their own, then removed
/// here. While this lives, nothing is sealed or compacted; and nothing may be applied.
#[derive(Debug)]
pub struct Division<'a> {
    shard: &'a Shard,
    /// Only under this lock do segments and generations come and go.
    _maintenance: MutexGuard<'a, Maintenance>,
    /// The segments, in their order, each with its live rows that leave.
    sealed: Vec<(Arc<SealedSegment>, RoaringBitmap)>,
    generations: Vec<(Generation, RoaringBitmap)>,
}

impl Shard {
    /// Finds the live rows of which `leaves` says by their ids that they leave. Reads all ids, and
    /// waits for a checkpoint or a step of compaction under way. Nothing may be applied or frozen
    /// until the division is over.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if the ids of a segment cannot be read.
    pub fn divide(&self, leaves: impl Fn(&str) -> bool) -> Result<Division<'_>, StoreError> {
        let maintenance = self.maintenance();
        let (sealed, generations) = {
            let state = self.state();
            (state.sealed.clone(), state.generations.clone())
        };
        let mut leaving_sealed = Vec::with_capacity(sealed.len());
        for part in sealed {
            let mut leaving = RoaringBitmap::new();
            let mut ids = part.segment.ids();
            for row in (0..part.segment.rows()).filter(|&row| !part.dead.contains(row)) {
                if leaves(ids.id(row)?) {
                    leaving.insert(row);
                }
            }
            leaving_sealed.push((part.segment, leaving));
        }
        let generations = generations.into_iter().map(|generation| {
            let mut leaving = RoaringBitmap::new();
            for placed in generation.blocks() {
                let rows = (0..placed.block.rows())
                    .filter(|row| leaves(placed.block.ids().get(*row)))
                    .map(|row| placed.first + row)
                    .filter(|&row| !generation.dead.contains(row));
                leaving.extend(rows);
            }
            (generation, leaving)
        });
        Ok(Division {
            shard: self,
            _maintenance: maintenance,
            sealed: leaving_sealed,
            generations: generations.collect(),
        })
    }
}

impl Division<'_> {
    /// Writes the rows that leave as a shard of its own, whose checkpoint has this mark, unless
    /// `directory` is there already. It is there whole or not at all, also after a crash; what an
    /// attempt before left behind is removed. Sealed rows are not copied: their files get a second
    /// name, and the rows that stay are dead there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the disk refuses: then there is no such directory.
    pub fn write(&self, directory: &Path, mark: Bytes) -> Result<(), StoreError> {
        if directory.exists() {
            return Ok(());
        }
        let unfinished = directory.with_extension("unfinished");
        directory::remove_directory(&unfinished)?;
        let observer = self.shard.options.observer.clone();
        let child = Directory::open(&unfinished, observer)?;
        let mut numbers = SegmentNumbers::starting_at(1);
        let mut segments = Vec::new();
        for (segment, leaving) in &self.sealed {
            if leaving.is_empty() {
                continue;
            }
            let number = numbers.take();
            child.link_segment(&self.shard.directory, segment.number(), number)?;
            let mut dead = RoaringBitmap::new();
            dead.insert_range(0..segment.rows());
            dead -= leaving;
            let entry = SegmentEntry {
                number,
                ..*segment.entry()
            };
            segments.push((entry, Arc::new(dead)));
        }
        child.sync()?;
        for written in self.write_growing(&child, &mut numbers)? {
            segments.push((written, Arc::default()));
        }
        let manifest = Manifest {
            dimension: self.shard.dimension as u32,
            next_number: numbers.next(),
            mark: Some(mark),
            segments,
        };
        child.stage_manifest(&manifest.encode())?;
        child.commit_manifest()?;
        drop(child);
        directory::rename_durably(&unfinished, directory)?;
        self.shard.directory.step("divided shard put in place");
        Ok(())
    }

    /// The rows in memory, as segments of the other shard.
    fn write_growing(
        &self,
        child: &Directory,
        numbers: &mut SegmentNumbers,
    ) -> Result<Vec<SegmentEntry>, StoreError> {
        let rows = self.generations.iter().map(|(_, leaving)| leaving.len());
        let Shard {
            dimension, options, ..
        } = self.shard;
        let mut builder = SegmentBuilder::new(
            child,
            *dimension,
            options.segment_bytes,
            rows.sum(),
            numbers,
        );
        for (generation, leaving) in &self.generations {
            for placed in generation.blocks() {
                let block = &placed.block;
                for row in (0..block.rows()).filter(|row| leaving.contains(placed.first + row)) {
                    builder.add(block.ids().get(row), |values| {
                        values.extend_from_slice(block.vector(row));
                        Ok(())
                    })?;
                }
            }
        }
        let written = builder.finish()?.into_iter();
        Ok(written.map(|written| *written.segment.entry()).collect())
    }

    /// Removes the rows here, in memory, as a delete would. Quick.
    pub fn remove(self) {
        let mut state = self.shard.state();
        for (segment, leaving) in self.sealed {
            let known = state.sealed.iter_mut();
            for part in known.filter(|part| part.segment.number() == segment.number()) {
                *Arc::make_mut(&mut part.dead) |= &leaving;
            }
        }
        for (generation, leaving) in self.generations {
            let known = state.generations.iter_mut();
            for rows in known.filter(|rows| rows.serial == generation.serial) {
                *Arc::make_mut(&mut rows.dead) |= &leaving;
            }
        }
        self.shard.publish(&state);
    }
}
