//! A sealed segment, opened: checked, mapped, ready for searches.

use super::{
    archive::SegmentArchive,
    header::{HEADER_LEN, Header, Magic},
    ids_file::{IdsFile, IdsReader},
    vectors::{self, RowReader, VectorsFile},
};
use crate::{
    StoreError,
    directory::Directory,
    error::While,
    file_name::{FileKind, FileName},
    mapping::MappedCodes,
};
use rkyv::util::AlignedVec;
use std::{
    fs::File,
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use vectra_kernel::{Codes, Frame};

/// Bytes read at a time while a file's checksum is verified, or gathered before they are written.
pub(super) const READ_BYTES: usize = 1 << 20;

/// What the manifest says about a segment: its number, and what its files must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    /// The number in the names of its files; unique in a directory, never reused.
    pub(crate) number: u64,
    pub(crate) rows: u32,
    pub(crate) segment_len: u64,
    pub(crate) segment_crc: u32,
    pub(crate) ids_len: u64,
    pub(crate) ids_crc: u32,
    pub(crate) vectors_len: u64,
    pub(crate) vectors_crc: u32,
}

impl SegmentEntry {
    pub(crate) fn file_len(&self, kind: FileKind) -> u64 {
        match kind {
            FileKind::Segment => self.segment_len,
            FileKind::Ids => self.ids_len,
            FileKind::Vectors => self.vectors_len,
        }
    }

    pub(crate) fn file_crc(&self, kind: FileKind) -> u32 {
        match kind {
            FileKind::Segment => self.segment_crc,
            FileKind::Ids => self.ids_crc,
            FileKind::Vectors => self.vectors_crc,
        }
    }
}

/// A sealed segment. Immutable; its files stay readable while this lives, also once unlinked.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    entry: SegmentEntry,
    frame: Frame,
    codes: MappedCodes,
    segment_file: File,
    segment_path: PathBuf,
    ids: IdsFile,
    vectors: VectorsFile,
}

impl SealedSegment {
    /// Opens its files. Reads the whole `.segment` and `.ids` files once to verify their checksums,
    /// through a buffer, so that nothing of them becomes resident.
    pub(crate) fn open(
        directory: &Directory,
        entry: SegmentEntry,
        dimension: usize,
    ) -> Result<Self, StoreError> {
        let segment_path = directory.path_of(FileName::segment(entry.number));
        let ids_path = directory.path_of(FileName::ids(entry.number));
        let vectors_path = directory.path_of(FileName::vectors(entry.number));
        let segment_file = open_existing(&segment_path)?;
        let header = read_header(
            &segment_file,
            &segment_path,
            Magic::Segment,
            entry.segment_len,
            entry.rows,
            dimension,
        )?;
        check_body(&segment_file, &segment_path, &entry, &header)?;

        let frame = read_frame(&segment_file, &segment_path, &header)?;
        let codes_range = HEADER_LEN..HEADER_LEN + frame.codes_len();
        let codes = MappedCodes::new(&segment_file, codes_range).or_while("map", &segment_path)?;
        let Some(codes) = codes else {
            let expected = format!("{} bytes of codes", frame.codes_len());
            return Err(StoreError::damaged(&segment_path, expected, "fewer"));
        };

        let ids = IdsFile::open(ids_path, &entry, dimension)?;
        if entry.vectors_len != vectors::file_len(dimension, entry.rows) {
            let expected = format!("{} bytes by its manifest", entry.vectors_len);
            let got = format!("{} rows of {dimension} dimensions", entry.rows);
            return Err(StoreError::damaged(&vectors_path, expected, got));
        }
        let vectors = VectorsFile::open(vectors_path, dimension, entry.rows)?;
        Ok(Self {
            entry,
            frame,
            codes,
            segment_file,
            segment_path,
            ids,
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
        match Codes::new(&self.frame, self.codes.bytes()) {
            Ok(codes) => codes,
            Err(error) => {
                unreachable!("the same parts fitted when the segment was opened: {error}")
            }
        }
    }

    /// Looks its ids up, and its rows by their ids.
    pub(crate) fn ids(&self) -> IdsReader<'_> {
        IdsReader::new(&self.ids)
    }

    /// Appends the float32 values of a row to `into`.
    pub(crate) fn read_vector(&self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        self.vectors.read(row, into)
    }

    /// Reads the float32 values of many rows, in ascending order.
    pub(crate) fn row_reader(&self) -> RowReader<'_> {
        RowReader::new(&self.vectors)
    }

    /// One of its files, open.
    pub(crate) fn file(&self, kind: FileKind) -> (&File, &Path) {
        match kind {
            FileKind::Segment => (&self.segment_file, &self.segment_path),
            FileKind::Ids => (self.ids.file(), self.ids.path()),
            FileKind::Vectors => (self.vectors.file(), self.vectors.path()),
        }
    }

    /// Bytes of memory that searches keep in use: the codes, and where the pages of ids begin.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.codes.bytes().len() as u64 + self.ids.memory_bytes()
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

/// Reads the header of a file that has these bytes, rows and dimensions by the manifest.
pub(super) fn read_header(
    file: &File,
    path: &Path,
    magic: Magic,
    expected_len: u64,
    rows: u32,
    dimension: usize,
) -> Result<Header, StoreError> {
    let len = file.metadata().or_while("read the length of", path)?.len();
    if len != expected_len || len < HEADER_LEN as u64 {
        let expected = format!("{} bytes", expected_len.max(HEADER_LEN as u64));
        return Err(StoreError::damaged(path, expected, format!("{len} bytes")));
    }
    let mut bytes = [0; HEADER_LEN];
    file.read_exact_at(&mut bytes, 0).or_while("read", path)?;
    let header = Header::decode(&bytes, magic, path)?;
    if (header.dimension as usize, header.rows) != (dimension, rows) {
        let expected = format!("{rows} rows of {dimension} dimensions");
        let got = format!("{} rows of {} dimensions", header.rows, header.dimension);
        return Err(StoreError::damaged(path, expected, got));
    }
    Ok(header)
}

/// Reads how the codes are read.
fn read_frame(file: &File, path: &Path, header: &Header) -> Result<Frame, StoreError> {
    let mut bytes = AlignedVec::new();
    bytes.resize(header.archive_len as usize, 0);
    file.read_exact_at(&mut bytes, header.archive_offset)
        .or_while("read", path)?;
    SegmentArchive::decode(&bytes, header.dimension as usize, header.rows as usize)
        .map_err(|got| StoreError::damaged(path, "a valid archive", got))
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
    check_crc(path, "everything after the header", header.body_crc, body)?;
    check_crc(path, WHOLE_FILE, entry.segment_crc, whole)
}

/// What the checksums in the manifest are of.
pub(super) const WHOLE_FILE: &str = "the whole file, as the manifest says,";

pub(super) fn check_crc(
    path: &Path,
    what: &str,
    expected: u32,
    got: crc32fast::Hasher,
) -> Result<(), StoreError> {
    let got = got.finalize();
    if expected == got {
        return Ok(());
    }
    let expected = format!("{what} with crc32 {expected:08x}");
    Err(StoreError::damaged(path, expected, format!("{got:08x}")))
}
