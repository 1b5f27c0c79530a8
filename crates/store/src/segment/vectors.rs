//! The `.vectors` file: float32 rows, each with its checksum; read, never mapped.

use super::{
    header::{HEADER_LEN, Header, Magic},
    sealed::open_existing,
};
use crate::{StoreError, error::While};
use std::{
    cell::RefCell,
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Bytes read at a time where many rows are.
const READ_BYTES: usize = 1 << 20;

/// Bytes of one row: its values, then a crc32.
fn stride(dimension: usize) -> usize {
    4 * dimension + 4
}

/// The length of the file that holds these rows.
pub(super) fn file_len(dimension: usize, rows: u32) -> u64 {
    HEADER_LEN as u64 + u64::from(rows) * stride(dimension) as u64
}

/// The checksum of a row: its bytes, then its number, so that a row in another's place is found.
fn row_crc(values: &[u8], row: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(values);
    hasher.update(&row.to_le_bytes());
    hasher.finalize()
}

/// The header of a file with these rows.
pub(super) fn header(dimension: usize, rows: u32) -> [u8; HEADER_LEN] {
    Header {
        dimension: dimension as u32,
        rows,
        ..Header::default()
    }
    .encode(Magic::Vectors)
}

/// Hands the bytes of a vectors file to `write`, piece by piece: of these vectors, in an order that names
/// for each row which of them it is.
pub(super) fn write_rows<E>(
    dimension: usize,
    vectors: &[f32],
    order: &[u32],
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let values = |&row: &u32| &vectors[row as usize * dimension..][..dimension];
    let mut rows = (0u32..).zip(order.iter().map(values)).peekable();
    write(&header(dimension, order.len() as u32))?;
    let mut buffer = Vec::with_capacity(WRITE_BYTES + stride(dimension));
    while let Some((row, values)) = rows.next() {
        let start = buffer.len();
        buffer.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let crc = row_crc(&buffer[start..], row);
        buffer.extend_from_slice(&crc.to_le_bytes());
        if buffer.len() >= WRITE_BYTES || rows.peek().is_none() {
            write(&buffer)?;
            buffer.clear();
        }
    }
    Ok(())
}

/// An open vectors file.
#[derive(Debug)]
pub(super) struct VectorsFile {
    file: File,
    path: PathBuf,
    dimension: usize,
    rows: u32,
}

impl VectorsFile {
    /// Opens the file and checks its header and length; each row is checked when it is read.
    pub(super) fn open(path: PathBuf, dimension: usize, rows: u32) -> Result<Self, StoreError> {
        let file = open_existing(&path)?;
        let len = file.metadata().or_while("read the length of", &path)?.len();
        let expected_len = file_len(dimension, rows);
        if len != expected_len {
            let expected = format!("{expected_len} bytes");
            return Err(StoreError::damaged(&path, expected, format!("{len} bytes")));
        }
        let mut bytes = [0; HEADER_LEN];
        file.read_exact_at(&mut bytes, 0).or_while("read", &path)?;
        let header = Header::decode(&bytes, Magic::Vectors, &path)?;
        let expected = Header {
            dimension: dimension as u32,
            rows,
            ..Header::default()
        };
        if header != expected {
            return Err(StoreError::damaged(
                &path,
                format!("{expected:?}"),
                format!("{header:?}"),
            ));
        }
        Ok(Self {
            file,
            path,
            dimension,
            rows,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the values of a row to `into`, once their checksum is found right.
    pub(super) fn read(&self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        BUFFER.with_borrow_mut(|buffer| {
            self.read_bytes(row..row.saturating_add(1), buffer)?;
            self.decode(row, buffer, into)
        })
    }

    /// Puts the bytes of some rows, checksums included, in the place of what is in `buffer`.
    fn read_bytes(&self, rows: Range<u32>, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        if rows.end > self.rows {
            let expected = format!("a row below {}", self.rows);
            return Err(StoreError::damaged(
                &self.path,
                expected,
                format!("row {}", rows.start),
            ));
        }
        let stride = stride(self.dimension);
        buffer.resize(rows.len() * stride, 0);
        let offset = HEADER_LEN as u64 + u64::from(rows.start) * stride as u64;
        self.file
            .read_exact_at(buffer, offset)
            .or_while("read", &self.path)
    }

    /// Checks the bytes of one row, and appends its values to `into`.
    fn decode(&self, row: u32, bytes: &[u8], into: &mut Vec<f32>) -> Result<(), StoreError> {
        let (values, stored_crc) = bytes.split_at(4 * self.dimension);
        let crc = row_crc(values, row);
        if crc.to_le_bytes() != stored_crc {
            let stored_crc = stored_crc
                .iter()
                .rev()
                .fold(0, |crc, &b| crc << 8 | u32::from(b));
            let expected = format!("row {row} with crc32 {stored_crc:08x}");
            return Err(StoreError::damaged(
                &self.path,
                expected,
                format!("{crc:08x}"),
            ));
        }
        let (values, _) = values.as_chunks::<4>();
        into.extend(values.iter().map(|&value| f32::from_le_bytes(value)));
        Ok(())
    }
}

/// Reads rows in ascending order, many at a time.
pub(crate) struct RowReader<'a> {
    file: &'a VectorsFile,
    buffer: Vec<u8>,
    /// The rows in the buffer.
    buffered: Range<u32>,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(file: &'a VectorsFile) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            buffered: 0..0,
        }
    }

    /// Appends the values of a row to `into`, once their checksum is found right.
    pub(crate) fn read(&mut self, row: u32, into: &mut Vec<f32>) -> Result<(), StoreError> {
        let stride = stride(self.file.dimension);
        if !self.buffered.contains(&row) {
            let rows = (READ_BYTES / stride).max(1) as u32;
            self.buffered = 0..0;
            let wanted = row..row
                .saturating_add(rows)
                .min(self.file.rows.max(row.saturating_add(1)));
            self.file.read_bytes(wanted.clone(), &mut self.buffer)?;
            self.buffered = wanted;
        }
        let start = (row - self.buffered.start) as usize * stride;
        let bytes = self.buffer.get(start..start + stride).unwrap_or_default();
        self.file.decode(row, bytes, into)
    }
}
