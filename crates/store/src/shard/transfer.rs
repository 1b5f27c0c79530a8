//! Snapshots: the last checkpoint, sent to another replica and installed there.

use super::Shard;
use crate::{
    ReceivedSnapshot, Snapshot, SnapshotReceiver, StoreError,
    manifest::Manifest,
    numbers::SegmentNumbers,
    segment::{SealedSegment, SegmentEntry},
    snapshot::Checkpoint,
    state::SealedPart,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

impl Shard {
    /// The last checkpoint, as files to send; none before the first. It does not wait for a
    /// checkpoint or a compaction under way.
    ///
    /// # Errors
    ///
    /// None at present; they are read later, by [`Snapshot::read_at`].
    pub fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(Snapshot::new(self.checkpoint.load_full()))
    }

    /// Begins to receive the snapshot of another replica, into a directory of its own inside this
    /// shard's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be made.
    pub fn receive(&self) -> Result<SnapshotReceiver, StoreError> {
        // Directories of earlier runs are removed when the shard is opened.
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let incoming = self.directory.create_incoming(serial)?;
        Ok(SnapshotReceiver::new(incoming, self.dimension))
    }

    /// Puts a received snapshot in the place of everything here, in memory and on disk. After a
    /// crash at any moment the shard is what it was before, or what was received.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the disk does not give back what was received;
    /// [`StoreError::Io`] if it refuses. The rows are what they were, and the checkpoint on disk is
    /// the one before or this one.
    pub fn install(&self, received: ReceivedSnapshot) -> Result<(), StoreError> {
        let mut maintenance = self.maintenance();
        let segments = self.take_segments(&received, &mut maintenance.numbers)?;
        let entries = segments.iter().map(|segment| *segment.entry());
        let dead = received
            .manifest
            .segments
            .iter()
            .map(|(_, dead)| dead.clone());
        let manifest = Manifest {
            dimension: self.dimension as u32,
            next_number: maintenance.numbers.next(),
            mark: Some(received.mark()),
            segments: entries.zip(dead).collect(),
        };

        // From here on nothing may be applied to the rows that are replaced.
        let mut state = self.state();
        self.replace_manifest(&manifest, &segments)?;
        let dead = manifest.segments.iter().map(|(_, dead)| dead.clone());
        let sealed = segments.into_iter().zip(dead);
        state.sealed = sealed
            .map(|(segment, dead)| SealedPart { segment, dead })
            .collect();
        state.generations.clear();
        state.rewrites.clear();
        state.checkpoints += 1;
        let segments = state.sealed.iter().map(|part| &part.segment);
        self.checkpoint
            .store(Arc::new(Checkpoint::new(&manifest, segments)));
        self.publish(&state);
        drop(state);

        let replaced = std::mem::replace(&mut maintenance.manifest, manifest);
        drop(maintenance);
        for (entry, _) in &replaced.segments {
            self.directory.remove_segment(entry.number);
        }
        Ok(())
    }

    /// Moves the received files here, under new numbers: no file here is ever replaced, and until
    /// the manifest is, these are leftovers.
    fn take_segments(
        &self,
        received: &ReceivedSnapshot,
        numbers: &mut SegmentNumbers,
    ) -> Result<Vec<Arc<SealedSegment>>, StoreError> {
        let mut entries = Vec::new();
        let take_all = || {
            for (entry, _) in &received.manifest.segments {
                let number = numbers.take();
                entries.push(SegmentEntry { number, ..*entry });
                self.directory
                    .take_segment(&received.incoming.directory, entry.number, number)?;
            }
            self.directory.sync()?;
            entries
                .iter()
                .map(|&entry| SealedSegment::open(&self.directory, entry, self.dimension))
                .map(|segment| segment.map(Arc::new))
                .collect()
        };
        let taken: Result<Vec<Arc<SealedSegment>>, StoreError> = { take_all }();
        if taken.is_err() {
            entries
                .iter()
                .for_each(|entry| self.directory.remove_segment(entry.number));
        }
        taken
    }
}
