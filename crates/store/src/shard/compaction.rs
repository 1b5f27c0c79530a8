//! Compaction: fewer segments, and less than two fifths of their rows dead.

use super::Shard;
use crate::{
    StoreError,
    manifest::Manifest,
    renumbering::Renumbering,
    segment::{SealedSegment, SegmentEntry},
    snapshot::Checkpoint,
    state::Rewrite,
};
use roaring::RoaringBitmap;
use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// One shard of a process compacts at a time: more would share the same disk, and each holds a
/// whole segment in memory.
static COMPACTING: Mutex<()> = Mutex::new(());

impl Shard {
    /// One step of compaction: merges neighbouring segments, or writes one anew of which two fifths
    /// of the rows are dead; writes no more than `most_bytes` of float32 rows, as what it takes in
    /// memory grows with them, nor more than one segment. Returns whether there was anything worth
    /// doing. Slow; applies and searches go on beside it, and what they delete meanwhile stays
    /// deleted.
    ///
    /// The manifest stays the state at its mark: only rows that were dead at the last checkpoint
    /// are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`] if a segment cannot be read or written. The
    /// rows are what they were.
    pub fn compact(&self, most_bytes: u64) -> Result<bool, StoreError> {
        // Before the shard's own lock, so that a checkpoint does not wait for other shards.
        let _one_at_a_time = COMPACTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut maintenance = self.maintenance();
        let sizes: Vec<Size> = maintenance.manifest.segments.iter().map(Size::of).collect();
        let row_bytes = 4 * self.dimension as u64;
        let most_rows = (self.options.segment_bytes.min(most_bytes) / row_bytes).max(1);
        let Some(chosen) = choose(&sizes, most_rows) else {
            return Ok(false);
        };

        // Only under the maintenance lock do segments come and go, so these stay as they are.
        let sources: Vec<(Arc<SealedSegment>, Arc<RoaringBitmap>)> = {
            let state = self.state();
            maintenance.manifest.segments[chosen.clone()]
                .iter()
                .filter_map(|(entry, dropped)| {
                    let mut parts = state.sealed.iter();
                    let part = parts.find(|part| part.segment.number() == entry.number)?;
                    Some((part.segment.clone(), dropped.clone()))
                })
                .collect()
        };
        let live = sizes[chosen.clone()].iter().map(|size| size.live).sum();
        let mut builder = self.segment_builder(live, &mut maintenance.numbers);
        for (segment, dropped) in &sources {
            let (mut ids, mut vectors) = (segment.ids(), segment.row_reader());
            for row in (0..segment.rows()).filter(|&row| !dropped.contains(row)) {
                builder.add(ids.id(row)?, |values| vectors.read(row, values))?;
            }
        }
        let (targets, places): (Vec<_>, Vec<_>) = builder
            .finish()?
            .into_iter()
            .map(|written| (written.segment, written.places))
            .unzip();

        let new = targets
            .iter()
            .map(|segment| (*segment.entry(), Arc::default()));
        let mut segments = maintenance.manifest.segments.clone();
        segments.splice(chosen, new);
        let manifest = Manifest {
            dimension: self.dimension as u32,
            next_number: maintenance.numbers.next(),
            mark: maintenance.manifest.mark.clone(),
            segments,
        };
        self.replace_manifest(&manifest, &targets)?;

        let numbers: Vec<u64> = sources
            .iter()
            .map(|(segment, _)| segment.number())
            .collect();
        let renumbering = Renumbering::new(
            sources
                .iter()
                .map(|(segment, dropped)| (segment.rows(), dropped.clone())),
            places,
        );
        {
            let mut state = self.state();
            state.rewrite(Rewrite {
                sources: numbers.clone(),
                targets,
                renumbering,
            });
            let segments = state.sealed.iter().map(|part| &part.segment);
            self.checkpoint
                .store(Arc::new(Checkpoint::new(&manifest, segments)));
            self.publish(&state);
        }
        maintenance.manifest = manifest;
        drop(maintenance);
        numbers
            .iter()
            .for_each(|&number| self.directory.remove_segment(number));
        Ok(true)
    }
}

/// Segments whose files of ids are together larger than this are not merged: the ids are in memory
/// while they are.
const MOST_ID_BYTES: u64 = 512 << 20;

/// How much of a segment is written again when it is.
#[derive(Debug, Clone, Copy)]
struct Size {
    rows: u64,
    live: u64,
    id_bytes: u64,
}

impl Size {
    fn of((entry, dead): &(SegmentEntry, Arc<RoaringBitmap>)) -> Self {
        let rows = u64::from(entry.rows);
        Self {
            rows,
            live: rows - dead.len(),
            id_bytes: entry.ids_len,
        }
    }

    /// Two fifths of the rows: after a division, in which about half leave, both halves are written
    /// anew.
    fn is_largely_dead(&self) -> bool {
        self.live * 5 <= self.rows * 3
    }
}

/// A segment is written again once those behind it have this share of its rows: often enough that a shard has
/// few segments, each of which costs every search, and seldom enough that writing them costs little.
const SHARE: u64 = 8;

/// The neighbours to write as one. From the newest backwards: those that leave no segment with
/// less than [`SHARE`] times the rows of the next, as long as one segment can hold them, so that each row is
/// written again a logarithmic number of times. Where that asks for nothing, one largely dead, if one
/// segment can hold what is live of it.
fn choose(sizes: &[Size], most_rows: u64) -> Option<Range<usize>> {
    for end in (1..=sizes.len()).rev() {
        let Size {
            mut live,
            mut id_bytes,
            ..
        } = sizes[end - 1];
        let mut start = end - 1;
        while let Some(before) = start.checked_sub(1).map(|before| sizes[before]) {
            let is_balanced = before.live / SHARE >= live;
            live += before.live;
            id_bytes += before.id_bytes;
            if is_balanced || live > most_rows || id_bytes > MOST_ID_BYTES {
                break;
            }
            start -= 1;
        }
        if start + 1 < end {
            return Some(start..end);
        }
    }
    let largely_dead = sizes
        .iter()
        .position(|size| size.is_largely_dead() && size.live <= most_rows)?;
    Some(largely_dead..largely_dead + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(rows: u64, live: u64) -> Size {
        Size {
            rows,
            live,
            id_bytes: rows,
        }
    }

    fn chosen(rows: &[u64], most_rows: u64) -> Option<Range<usize>> {
        let sizes: Vec<Size> = rows.iter().map(|&rows| size(rows, rows)).collect();
        choose(&sizes, most_rows)
    }

    #[test]
    fn equal_neighbours_are_merged_up_to_the_limit() {
        assert_eq!(chosen(&[32, 32], 128), Some(0..2));
        assert_eq!(chosen(&[64, 32, 32], 128), Some(0..3));
        assert_eq!(chosen(&[64, 32, 32], 100), Some(1..3));
        assert_eq!(chosen(&[64, 64], 100), None);
    }

    #[test]
    fn a_small_segment_waits_for_more_before_a_large_one_is_written_again() {
        assert_eq!(chosen(&[100, 10], 1_000), None);
        assert_eq!(chosen(&[200, 10, 10], 1_000), Some(1..3));
        assert_eq!(chosen(&[100, 10, 10], 1_000), Some(0..3));
    }

    #[test]
    fn small_segments_in_front_of_a_full_one_are_merged_too() {
        assert_eq!(chosen(&[10, 10, 100], 100), Some(0..2));
    }

    #[test]
    fn a_largely_dead_segment_is_written_anew() {
        let sizes = [size(90, 80), size(90, 54)];
        assert_eq!(choose(&sizes, 100), Some(1..2));
        assert_eq!(choose(&sizes, 53), None);
        assert_eq!(choose(&[size(90, 80), size(90, 55)], 100), None);
        assert_eq!(choose(&sizes[..1], 100), None);
        assert_eq!(choose(&[], 100), None);
    }

    #[test]
    fn too_many_ids_for_one_segment_are_left_apart() {
        let large = Size {
            rows: 10,
            live: 10,
            id_bytes: MOST_ID_BYTES / 2 + 1,
        };
        assert_eq!(choose(&[large, large], 100), None);
        assert_eq!(choose(&[Size { live: 4, ..large }], 100), Some(0..1));
    }
}
