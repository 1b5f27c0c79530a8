//! Writes rows as sealed segments.

use super::{
    SealedSegment, SegmentEntry,
    archive::SegmentArchive,
    header::Magic,
    header::{HEADER_LEN, Header},
    ids_file, vectors,
};
use crate::{
    StoreError, directory::Directory, error::While, file_name::FileName, ids::Ids,
    numbers::SegmentNumbers,
};
use std::{
    fs::File,
    io::{self, Write},
    mem,
    path::Path,
    sync::Arc,
};
use vectra_kernel::QuantizedRows;

/// Most bytes of id text in one segment: they are in memory while it is written.
const MAX_ID_TEXT: usize = 512 << 20;
/// Most rows of one segment, for the same reason.
const MAX_ROWS: u32 = 32 << 20;

/// Takes rows one by one and writes them as sealed segments of a bounded size. Dropped before
/// [`SegmentBuilder::finish`], it removes what it wrote.
pub(crate) struct SegmentBuilder<'a> {
    directory: &'a Directory,
    dimension: usize,
    /// Most values in one segment.
    max_values: usize,
    /// Rows still to come, by the word of the caller: what to reserve memory for.
    rows_to_come: u64,
    numbers: &'a mut SegmentNumbers,
    ids: Ids,
    vectors: Vec<f32>,
    written: Vec<Written>,
    /// Numbers of the files to remove, should this be dropped unfinished.
    begun: Vec<u64>,
}

/// A segment, and where the rows went that were added for it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) segment: Arc<SealedSegment>,
    /// The row of the segment that each row became, in the order they were added.
    pub(crate) places: Arc<[u32]>,
}

impl<'a> SegmentBuilder<'a> {
    /// Of `rows` rows to come, of which one segment takes at most `segment_bytes` of floats.
    pub(crate) fn new(
        directory: &'a Directory,
        dimension: usize,
        segment_bytes: u64,
        rows: u64,
        numbers: &'a mut SegmentNumbers,
    ) -> Self {
        Self {
            rows_to_come: rows,
            directory,
            dimension,
            max_values: usize::try_from(segment_bytes / 4).unwrap_or(usize::MAX),
            numbers,
            ids: Ids::default(),
            vectors: Vec::new(),
            written: Vec::new(),
            begun: Vec::new(),
        }
    }

    /// Adds a row, whose values `append` appends. Writes out the segment so far if it is full.
    pub(crate) fn add(
        &mut self,
        id: &str,
        append: impl FnOnce(&mut Vec<f32>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let is_full = self.vectors.len() + self.dimension > self.max_values
            || self.ids.rows() >= MAX_ROWS
            || self.ids.text().len() + id.len() > MAX_ID_TEXT;
        if is_full {
            self.write_segment()?;
        }
        if self.vectors.is_empty() {
            let rows = usize::try_from(self.rows_to_come).unwrap_or(usize::MAX);
            self.vectors
                .reserve_exact(rows.saturating_mul(self.dimension).min(self.max_values));
        }
        self.rows_to_come = self.rows_to_come.saturating_sub(1);
        append(&mut self.vectors)?;
        self.ids.push(id);
        Ok(())
    }

    /// Writes out what is left, and makes the names of all files durable. The files are not yet
    /// referred to by anything: that is the manifest's part.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>, StoreError> {
        self.write_segment()?;
        if !self.written.is_empty() {
            self.directory.sync()?;
        }
        self.begun.clear();
        Ok(mem::take(&mut self.written))
    }

    fn write_segment(&mut self) -> Result<(), StoreError> {
        if self.ids.rows() == 0 {
            return Ok(());
        }
        let (ids, vectors) = (mem::take(&mut self.ids), mem::take(&mut self.vectors));
        let number = self.numbers.take();
        self.begun.push(number);
        let rows = ids.rows();
        let (quantized, order) = QuantizedRows::arrange(self.dimension, &vectors);
        let (segment_len, segment_crc) = self.write_segment_file(number, &quantized)?;
        drop(quantized);
        let (ids_len, ids_crc) = self.write_ids_file(number, &ids.in_order(&order))?;
        drop(ids);
        let (vectors_len, vectors_crc) = self.write_vectors_file(number, &vectors, &order)?;
        drop(vectors);
        let entry = SegmentEntry {
            number,
            rows,
            segment_len,
            segment_crc,
            ids_len,
            ids_crc,
            vectors_len,
            vectors_crc,
        };
        let sealed = SealedSegment::open(self.directory, entry, self.dimension)?;
        let mut places = vec![0; order.len()];
        for (place, &row) in (0..).zip(&order) {
            places[row as usize] = place;
        }
        self.written.push(Written {
            segment: Arc::new(sealed),
            places: places.into(),
        });
        Ok(())
    }

    fn write_segment_file(
        &self,
        number: u64,
        quantized: &QuantizedRows,
    ) -> Result<(u64, u32), StoreError> {
        let (file, path) = self.directory.create(FileName::segment(number))?;
        let archive = SegmentArchive::encode(quantized.frame())
            .map_err(io::Error::other)
            .or_while("encode the archive of", &path)?;
        let codes = quantized.codes_bytes();
        let padding = vec![0; codes.len().next_multiple_of(HEADER_LEN) - codes.len()];

        let mut body = crc32fast::Hasher::new();
        for part in [codes, &padding, &archive] {
            body.update(part);
        }
        let header = Header {
            dimension: self.dimension as u32,
            rows: quantized.rows() as u32,
            archive_offset: (HEADER_LEN + codes.len() + padding.len()) as u64,
            archive_len: archive.len() as u64,
            body_crc: body.finalize(),
        };
        let mut output = CheckedFile::new(file, &path);
        for part in [&header.encode(Magic::Segment), codes, &padding, &archive] {
            output.write(part)?;
        }
        self.directory.step("segment file written");
        output.finish()
    }

    fn write_ids_file(&self, number: u64, ids: &Ids) -> Result<(u64, u32), StoreError> {
        let (file, path) = self.directory.create(FileName::ids(number))?;
        let mut output = CheckedFile::new(file, &path);
        ids_file::write_ids(self.dimension, ids, |bytes| output.write(bytes))?;
        self.directory.step("ids file written");
        output.finish()
    }

    fn write_vectors_file(
        &self,
        number: u64,
        vectors: &[f32],
        order: &[u32],
    ) -> Result<(u64, u32), StoreError> {
        let (file, path) = self.directory.create(FileName::vectors(number))?;
        let mut output = CheckedFile::new(file, &path);
        vectors::write_rows(self.dimension, vectors, order, |bytes| output.write(bytes))?;
        self.directory.step("vectors file written");
        output.finish()
    }
}

impl Drop for SegmentBuilder<'_> {
    fn drop(&mut self) {
        for &number in &self.begun {
            self.directory.remove_segment(number);
        }
    }
}

/// A file being written, with its length and checksum so far.
struct CheckedFile<'a> {
    file: File,
    path: &'a Path,
    len: u64,
    crc: crc32fast::Hasher,
}

impl<'a> CheckedFile<'a> {
    fn new(file: File, path: &'a Path) -> Self {
        Self {
            file,
            path,
            len: 0,
            crc: crc32fast::Hasher::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).or_while("write", self.path)?;
        self.len += bytes.len() as u64;
        self.crc.update(bytes);
        Ok(())
    }

    /// Syncs the file and returns its length and crc32.
    fn finish(self) -> Result<(u64, u32), StoreError> {
        self.file.sync_all().or_while("sync", self.path)?;
        Ok((self.len, self.crc.finalize()))
    }
}
