//! `.fvecs`, `.bvecs` and `.ivecs` of the TEXMEX corpora: per vector its dimension as a
//! little-endian int32, then its values.
//!
//! Format: <http://corpus-texmex.irisa.fr/>.

use std::path::Path;

use super::element::Element;
use super::source::{Source, check_finite};
use super::{MOST_DIMENSIONS, VectorBatch, garbled, row_numbers};
use crate::{ClientError, Place};

/// Bytes of the dimension before each vector.
const HEAD: usize = 4;

/// Records of one dimension, as the first one says and the file's length confirms.
#[derive(Debug)]
pub(super) struct Records {
    source: Source,
    element: Element,
    dimension: usize,
    rows: u64,
    next_row: u64,
}

impl Records {
    pub(super) fn open(path: &Path, element: Element) -> Result<Self, ClientError> {
        let length = Source::open(path)?.length();
        if length == 0 {
            let source = Source::open(path)?;
            return Ok(Self {
                source,
                element,
                dimension: 0,
                rows: 0,
                next_row: 0,
            });
        }
        let mut head = [0; HEAD];
        Source::open(path)?.read(&mut head, "the first vector's dimension")?;
        let dimension = i32::from_le_bytes(head);
        let Some(dimension) = u64::try_from(dimension)
            .ok()
            .filter(|&d| (1..=MOST_DIMENSIONS).contains(&d))
        else {
            let reason = format!("a dimension of {dimension} is none: the file is garbled");
            return Err(garbled(path, Place::Byte(0), reason));
        };
        let stride = HEAD as u64 + dimension * element.size() as u64;
        if !length.is_multiple_of(stride) {
            let whole = length / stride;
            let reason = format!(
                "after {whole} vectors of {dimension} dimensions ({stride} bytes each) {} bytes \
                 are left: the file is truncated or garbled",
                length % stride
            );
            return Err(garbled(path, Place::Byte(whole * stride), reason));
        }
        Ok(Self {
            source: Source::open(path)?,
            element,
            dimension: dimension as usize,
            rows: length / stride,
            next_row: 0,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn dimension(&self) -> Option<usize> {
        (self.rows > 0).then_some(self.dimension)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.source.length()
    }

    pub(super) fn next_batch(
        &mut self,
        max_rows: usize,
        id_offset: u64,
    ) -> Result<Option<VectorBatch>, ClientError> {
        let start = self.source.offset();
        let first_row = self.next_row;
        let mut vectors = Vec::new();
        let element = self.element;
        let count =
            self.read_records(max_rows, |bytes| element.append_floats(bytes, &mut vectors))?;
        if count == 0 {
            return Ok(None);
        }
        let size = self.element.size() as u64;
        let stride = HEAD as u64 + self.dimension as u64 * size;
        check_finite(
            self.source.path(),
            &vectors,
            first_row,
            self.dimension,
            |row, column| start + row * stride + HEAD as u64 + column * size,
        )?;
        Ok(Some(VectorBatch {
            first_row,
            dimension: self.dimension,
            ids: row_numbers(id_offset + first_row, count),
            vectors,
            end: self.source.offset(),
        }))
    }

    /// Every record's values as whole numbers.
    pub(super) fn read_integers(&mut self) -> Result<Vec<i64>, ClientError> {
        let mut values = Vec::new();
        let element = self.element;
        self.read_records(usize::MAX, |bytes| {
            element.append_integers(bytes, &mut values)
        })?;
        Ok(values)
    }

    /// Hands the values of up to `max_rows` records to `take`; returns how many there were.
    fn read_records(
        &mut self,
        max_rows: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, ClientError> {
        let count = (self.rows - self.next_row).min(max_rows as u64) as usize;
        let mut record = vec![0; HEAD + self.dimension * self.element.size()];
        for _ in 0..count {
            let start = self.source.offset();
            self.source.read(&mut record, "a vector")?;
            let (head, values) = record.split_at(HEAD);
            let dimension = head
                .first_chunk()
                .map_or(0, |&head| i32::from_le_bytes(head));
            if usize::try_from(dimension) != Ok(self.dimension) {
                let reason = format!(
                    "row {} says it has {dimension} dimensions, the first has {}",
                    self.next_row, self.dimension
                );
                return Err(garbled(self.source.path(), Place::Byte(start), reason));
            }
            take(values);
            self.next_row += 1;
        }
        Ok(count)
    }
}
