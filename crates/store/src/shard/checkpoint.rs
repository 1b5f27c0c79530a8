//! A checkpoint: freeze what was applied, then write it beside the applies and searches to come.

use super::Shard;
use crate::{
    StoreError,
    growing::Generation,
    manifest::Manifest,
    numbers::SegmentNumbers,
    renumbering::Renumbering,
    segment::{SealedSegment, SegmentBuilder, Written},
    snapshot::Checkpoint,
    state::SealedPart,
};
use bytes::Bytes;
use roaring::RoaringBitmap;
use std::{collections::HashSet, sync::Arc};

/// The state of a shard at one moment, captured in memory, to be written by [`Shard::seal`].
/// Dropped instead, nothing is lost: the next freeze captures the same rows again.
#[derive(Debug)]
pub struct Frozen {
    mark: Bytes,
    /// How many checkpoints, and how many rewrites since the last one, had been made.
    checkpoints: u64,
    rewrites: usize,
    /// The dead rows of each sealed segment, by its number.
    sealed: Vec<(u64, Arc<RoaringBitmap>)>,
    generations: Vec<Generation>,
}

impl Frozen {
    /// What the owner said about it.
    #[must_use]
    pub fn mark(&self) -> &Bytes {
        &self.mark
    }
}

impl Shard {
    /// Captures what was applied so far; quick, no disk involved. Call it between two applies:
    /// `mark` says where in the log that is.
    #[must_use]
    pub fn freeze(&self, mark: Bytes) -> Frozen {
        let mut state = self.state();
        let generations = state
            .generations
            .iter()
            .filter(|rows| rows.rows() > 0)
            .cloned()
            .collect();
        state.close_generation();
        Frozen {
            mark,
            checkpoints: state.checkpoints,
            rewrites: state.rewrites.len(),
            sealed: state
                .sealed
                .iter()
                .map(|part| (part.segment.number(), part.dead.clone()))
                .collect(),
            generations,
        }
    }

    /// Makes a frozen state durable, and its mark the shard's: writes the live frozen rows as
    /// sealed segments, then replaces the manifest. Slow; applies and searches go on beside it,
    /// and what they do to frozen rows meanwhile is kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overtaken`] if another frozen state was sealed, or a snapshot installed,
    /// since this one was captured; [`StoreError::Io`] if the disk refuses. The rows stay in
    /// memory, and the checkpoint on disk is the one before or this one.
    pub fn seal(&self, frozen: Frozen) -> Result<(), StoreError> {
        let mut maintenance = self.maintenance();
        let rewrites = {
            let state = self.state();
            if state.checkpoints != frozen.checkpoints {
                return Err(StoreError::Overtaken);
            }
            state
                .rewrites
                .get(frozen.rewrites..)
                .unwrap_or_default()
                .to_vec()
        };
        // The dead rows as of the freeze, of the segments that there are now.
        let frozen_dead = rewrites
            .iter()
            .fold(frozen.sealed, |dead, rewrite| rewrite.apply(dead));

        let (written, places): (Vec<_>, Vec<_>) = self
            .write_live_rows(&frozen.generations, &mut maintenance.numbers)?
            .into_iter()
            .map(|written| (written.segment, written.places))
            .unzip();
        let kept = frozen_dead.into_iter().filter_map(|(number, dead)| {
            let known = &maintenance.manifest.segments;
            let (entry, _) = known.iter().find(|(entry, _)| entry.number == number)?;
            (dead.len() < u64::from(entry.rows)).then_some((*entry, dead))
        });
        let new = written
            .iter()
            .map(|segment| (*segment.entry(), Arc::default()));
        let manifest = Manifest {
            dimension: self.dimension as u32,
            next_number: maintenance.numbers.next(),
            mark: Some(frozen.mark),
            segments: kept.chain(new).collect(),
        };
        self.replace_manifest(&manifest, &written)?;

        let dropped = self.swap_in(&manifest, written, places, &frozen.generations);
        maintenance.manifest = manifest;
        drop(maintenance);
        dropped
            .iter()
            .for_each(|&number| self.directory.remove_segment(number));
        Ok(())
    }

    /// Writes the rows that were live when the generations were frozen.
    fn write_live_rows(
        &self,
        generations: &[Generation],
        numbers: &mut SegmentNumbers,
    ) -> Result<Vec<Written>, StoreError> {
        let live = generations
            .iter()
            .map(|rows| u64::from(rows.rows()) - rows.dead.len())
            .sum();
        let mut builder = self.segment_builder(live, numbers);
        for generation in generations {
            for placed in generation.blocks() {
                let block = &placed.block;
                let live =
                    (0..block.rows()).filter(|row| !generation.dead.contains(placed.first + row));
                for row in live {
                    builder.add(block.ids().get(row), |values| {
                        values.extend_from_slice(block.vector(row));
                        Ok(())
                    })?;
                }
            }
        }
        builder.finish()
    }

    /// For so many rows to come.
    pub(super) fn segment_builder<'a>(
        &'a self,
        rows: u64,
        numbers: &'a mut SegmentNumbers,
    ) -> SegmentBuilder<'a> {
        let segment_bytes = self.options.segment_bytes;
        SegmentBuilder::new(
            &self.directory,
            self.dimension,
            segment_bytes,
            rows,
            numbers,
        )
    }

    /// Makes a manifest the one on disk. If it certainly is not, removes the new segments.
    pub(super) fn replace_manifest(
        &self,
        manifest: &Manifest,
        new: &[Arc<SealedSegment>],
    ) -> Result<(), StoreError> {
        if let Err(error) = self.directory.stage_manifest(&manifest.encode()) {
            new.iter()
                .for_each(|segment| self.directory.remove_segment(segment.number()));
            return Err(error);
        }
        self.directory.commit_manifest()
    }

    /// Puts the written segments in the place of the frozen generations. Returns the numbers of
    /// the segments that nothing refers to any more.
    fn swap_in(
        &self,
        manifest: &Manifest,
        written: Vec<Arc<SealedSegment>>,
        places: Vec<Arc<[u32]>>,
        frozen: &[Generation],
    ) -> Vec<u64> {
        let mut state = self.state();
        let referred: HashSet<u64> = manifest
            .segments
            .iter()
            .map(|(entry, _)| entry.number)
            .collect();
        let dropped = state
            .sealed
            .extract_if(.., |part| !referred.contains(&part.segment.number()))
            .map(|part| part.segment.number())
            .collect();

        let serials: HashSet<u64> = frozen.iter().map(|rows| rows.serial).collect();
        let dead_now: Vec<Arc<RoaringBitmap>> = state
            .generations
            .extract_if(.., |rows| serials.contains(&rows.serial))
            .map(|rows| rows.dead)
            .collect();
        let renumbering = Renumbering::new(
            frozen.iter().map(|rows| (rows.rows(), rows.dead.clone())),
            places,
        );
        let dead = renumbering.dead_rows(&dead_now).into_iter().map(Arc::new);
        let new = written.into_iter().zip(dead);
        state
            .sealed
            .extend(new.map(|(segment, dead)| SealedPart { segment, dead }));
        state.checkpoints += 1;
        state.rewrites.clear();
        let segments = state.sealed.iter().map(|part| &part.segment);
        self.checkpoint
            .store(Arc::new(Checkpoint::new(manifest, segments)));
        self.publish(&state);
        dropped
    }
}
