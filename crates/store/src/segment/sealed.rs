//! A sealed segment, opened: checked, mapped, ready for searches.

use super::{
    header::{HEADER_LEN, Header, Magic},
    mapping::{MapError, SegmentMap},
    vectors::{self, RowReader, VectorsFile},
};
use crate::{StoreError, directory::Directory, error::While, file_name::FileName};
use std::{
    fs::File,
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use vectra_kernel::Codes;

/// Bytes read at a time while a file's checksum is verified.
const READ_BYTES: usize = 1 << 20;

/// What the manifest says about a segment: its number, and what its two files must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    /// The number in the names of its files; unique in a directory, never reused.
    pub(crate) number: u64,
    pub(crate) rows: u32,
    pub(crate) segment_len: u64,
    pub(crate) segment_crc: u32,
    pub(crate) vectors_len: u64,
    pub(crate) vectors_crc: u32,
}

/// A sealed segment. Immutable; its files stay readable while this lives, also once unlinked.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    entry: SegmentEntry,
    dimension: usize,
    alphas: Vec<f32>,
    residual_norm: f32,
    map: SegmentMap,
    segment_file: File,
    segment_path: PathBuf,
    vectors: VectorsFile,
}

impl SealedSegment {
    /// Opens both files. Reads the whole `.segment` file once to verify its checksum, through a
    /// buffer, so that nothing of it becomes resident.
    pub(crate) fn open(
        directory: &Directory,
        entry: SegmentEntry,
        dimension: usize,
    ) -> Result<Self, StoreError> {
        let segment_path = directory.path_of(FileName::segment(entry.number));
        let vectors_path = directory.path_of(FileName::vectors(entry.number));
        let segment_file = open_existing(&segment_path)?;
        let header = read_header(&segment_file, &segment_path, &entry, dimension)?;
        check_body(&segment_file, &segment_path, &entry, &header)?;

        let codes_end = HEADER_LEN + Codes::encoded_len(dimension, entry.rows as usize);
        let (archive_offset, archive_len) =
            (header.archive_offset as usize, header.archive_len as usize);
        let archive_range = archive_offset..archive_offset.saturating_add(archive_len);
        let map = SegmentMap::new(&segment_file, HEADER_LEN..codes_end, archive_range).map_err(
            |error| match error {
                MapError::Io(source) => StoreError::Io {
                    doing: "map",
                    file: segment_path.clone(),
                    source,
                },
                MapError::Invalid(got) => {
                    StoreError::damaged(&segment_path, "codes and a valid archive", got)
                }
            },
        )?;
        let archive = map.archive();
        if !archive.fits(entry.rows as usize, dimension) {
            let expected = format!("an archive of {} rows", entry.rows);
            return Err(StoreError::damaged(
                &segment_path,
                expected,
                "lists of other lengths",
            ));
        }
        let (alphas, residual_norm) = (archive.alphas(), archive.residual_norm());
        map.release_archive();
        Codes::new(
            dimension,
            entry.rows as usize,
            &alphas,
            residual_norm,
            map.codes(),
        )
        .map_err(|error| StoreError::damaged(&segment_path, "codes with scales", error))?;

        if entry.vectors_len != vectors::file_len(dimension, entry.rows) {
            let expected = format!("{} bytes by its manifest", entry.vectors_len);
            let got = format!("{} rows of {dimension} dimensions", entry.rows);
            return Err(StoreError::damaged(&vectors_path, expected, got));
        }
        let vectors = VectorsFile::open(vectors_path, dimension, entry.rows)?;
        Ok(Self {
            entry,
            dimension,
            alphas,
            residual_norm,
            map,
            segment_file,
            segment_path,
            vectors,
        })
    }

    pub(crate) fn entry(&self) -> &SegmentEntry {
        &self.entry
    }

    pub(crate) fn number(&self) -> u64 {
        self.entry.number
    }

    pub(crate) fn rows(&self) -> u32 {
        self.entry.rows
    }

    pub(crate) fn codes(&self) -> Codes<'_> {
        let rows = self.entry.rows as usize;
        let codes = Codes::new(
            self.dimension,
            rows,
            &self.alphas,
            self.residual_norm,
            self.map.codes(),
        );
        match codes {
            Ok(codes) => codes,
            Err(error) => {
                unreachable!("the same parts fitted when the segment was opened: {error}")
            }
        }
    }

    pub(crate) fn id(&self, row: u32) -> Result<&str, StoreError> {
        self.map.archive().id(row).ok_or_else(|| {
            let expected = format!("an id of row {row}");
            StoreError::damaged(&self.segment_path, expected, "none")
        })
    }

    /// The row with this id, live or not.
    pub(crate) fn row_of(&self, hash: u64, id: &str) -> Option<u32> {
        self.map.archive().row_of(hash, id)
    }

    /// Appends the float32 values of a row to `into`.
    pub(crate) fn read_vector(&self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        self.vectors.read(row, into)
    }

    /// Reads the float32 values of many rows, in ascending order.
    pub(crate) fn row_reader(&self) -> RowReader<'_> {
        RowReader::new(&self.vectors)
    }

    /// Lets go of the pages of ids and index that were touched.
    pub(crate) fn release_pages(&self) {
        self.map.release_archive();
    }

    pub(crate) fn segment_file(&self) -> (&File, &Path) {
        (&self.segment_file, &self.segment_path)
    }

    pub(crate) fn vectors_file(&self) -> (&File, &Path) {
        (self.vectors.file(), self.vectors.path())
    }

    /// Bytes of the codes, which searches keep resident.
    pub(crate) fn codes_bytes(&self) -> u64 {
        self.map.codes().len() as u64
    }
}

/// Opens a file that the manifest refers to: that it is gone is damage.
pub(super) fn open_existing(path: &Path) -> Result<File, StoreError> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::damaged(
            path,
            "a file that the manifest refers to",
            "no such file",
        )),
        opened => opened.or_while("open", path),
    }
}

fn read_header(
    file: &File,
    path: &Path,
    entry: &SegmentEntry,
    dimension: usize,
) -> Result<Header, StoreError> {
    let len = file.metadata().or_while("read the length of", path)?.len();
    if len != entry.segment_len || len < HEADER_LEN as u64 {
        let expected = format!("{} bytes", entry.segment_len.max(HEADER_LEN as u64));
        return Err(StoreError::damaged(path, expected, format!("{len} bytes")));
    }
    let mut bytes = [0; HEADER_LEN];
    file.read_exact_at(&mut bytes, 0).or_while("read", path)?;
    let header = Header::decode(&bytes, Magic::Segment, path)?;
    if (header.dimension as usize, header.rows) != (dimension, entry.rows) {
        let expected = format!("{} rows of {dimension} dimensions", entry.rows);
        let got = format!("{} rows of {} dimensions", header.rows, header.dimension);
        return Err(StoreError::damaged(path, expected, got));
    }
    Ok(header)
}

/// Verifies the checksum of everything after the header, and of the whole file.
fn check_body(
    file: &File,
    path: &Path,
    entry: &SegmentEntry,
    header: &Header,
) -> Result<(), StoreError> {
    let mut body = crc32fast::Hasher::new();
    let mut buffer = vec![0; READ_BYTES.min(entry.segment_len as usize)];
    let mut offset = HEADER_LEN as u64;
    while offset < entry.segment_len {
        let len = (entry.segment_len - offset).min(buffer.len() as u64) as usize;
        file.read_exact_at(&mut buffer[..len], offset)
            .or_while("read", path)?;
        body.update(&buffer[..len]);
        offset += len as u64;
    }
    let mut whole = crc32fast::Hasher::new();
    whole.update(&header.encode(Magic::Segment));
    whole.combine(&body);
    for (what, expected, got) in [
        (
            "everything after the header",
            header.body_crc,
            body.finalize(),
        ),
        (
            "the whole file, as the manifest says,",
            entry.segment_crc,
            whole.finalize(),
        ),
    ] {
        if expected != got {
            let expected = format!("{what} with crc32 {expected:08x}");
            return Err(StoreError::damaged(path, expected, format!("{got:08x}")));
        }
    }
    Ok(())
}
