//! NumPy's `.npy`, versions 1 to 3.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>: the magic
//! `\x93NUMPY`, two bytes of version, the header's length (2 bytes in version 1, else 4), a Python
//! dictionary of `descr`, `fortran_order` and `shape`, then the values.

use std::path::Path;

use super::element::Element;
use super::source::{Source, check_finite};
use super::{MOST_DIMENSIONS, VectorBatch, garbled, row_numbers};
use crate::{ClientError, Place};

/// The first bytes of every `.npy` file.
pub const NPY_MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy itself writes some 120 bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// What stands before the values of a two-dimensional array in C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpyHeader {
    /// How each value is stored.
    pub element: Element,
    /// Rows of the array.
    pub rows: u64,
    /// Values in each row, at least one.
    pub columns: usize,
    /// Bytes before the first value.
    pub length: u64,
}

impl NpyHeader {
    /// Reads a header. `read` fills its buffer with the next bytes, or says that they end within
    /// what its second argument names; `fault` makes an error of an offset in bytes and of what is
    /// wrong there.
    ///
    /// # Errors
    /// Those of `read`, and `fault`s: no `.npy`, or one whose values cannot be read as rows.
    pub fn read<E>(
        mut read: impl FnMut(&mut [u8], &'static str) -> Result<(), E>,
        fault: impl Fn(u64, String) -> E,
    ) -> Result<Self, E> {
        let mut start = [0; 8];
        read(&mut start, "the 8 bytes every .npy file begins with")?;
        if !start.starts_with(NPY_MAGIC) {
            return Err(fault(
                0,
                "this is not a .npy file: the magic is wrong".to_owned(),
            ));
        }
        let length_bytes: usize = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => {
                let reason = format!(".npy version {version} is not one of 1, 2, 3");
                return Err(fault(6, reason));
            }
        };
        let mut length = [0; 4];
        read(&mut length[..length_bytes], "the length of the header")?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_HEADER {
            let reason = format!("a header of {length} bytes is too long to be one");
            return Err(fault(8, reason));
        }
        let header_start = (start.len() + length_bytes) as u64;
        let mut header = vec![0; length];
        read(&mut header, "the header")?;
        let (element, rows, columns) = parse_header(&String::from_utf8_lossy(&header))
            .map_err(|reason| fault(header_start, reason))?;
        Ok(Self {
            element,
            rows,
            columns,
            length: header_start + length as u64,
        })
    }

    /// Bytes of the values; none if that is more than any file has.
    #[must_use]
    pub fn data_bytes(&self) -> Option<u64> {
        let row_bytes = (self.columns as u64).checked_mul(self.element.size() as u64)?;
        row_bytes.checked_mul(self.rows)
    }
}

/// What stands before the values of such an array, as NumPy writes it (version 1.0): so long that they begin at
/// a multiple of 64 bytes.
#[must_use]
pub fn npy_header(element: Element, rows: usize, columns: usize) -> Vec<u8> {
    const ALIGNED: usize = 64;
    let descriptor = element.descriptor();
    let mut dictionary = format!(
        "{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    );
    let before = NPY_MAGIC.len() + 4;
    // Ends with a line break.
    let length = (before + dictionary.len() + 1).next_multiple_of(ALIGNED) - before;
    dictionary.extend(std::iter::repeat_n(' ', length - 1 - dictionary.len()));
    dictionary.push('\n');
    let mut header = NPY_MAGIC.to_vec();
    header.extend([1, 0]);
    // Two numbers make it a hundred bytes or two.
    header.extend((length as u16).to_le_bytes());
    header.extend(dictionary.bytes());
    header
}

/// A two-dimensional array in C order, opened and checked against the file's length.
#[derive(Debug)]
pub(super) struct NpyArray {
    pub(super) source: Source,
    pub(super) element: Element,
    pub(super) rows: u64,
    pub(super) columns: usize,
}

impl NpyArray {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let mut source = Source::open(path)?;
        let header = NpyHeader::read(
            |buffer, what| source.read(buffer, what),
            |byte, reason| garbled(path, Place::Byte(byte), reason),
        )?;
        let wanted = header
            .data_bytes()
            .and_then(|data| data.checked_add(header.length));
        let NpyHeader {
            element,
            rows,
            columns,
            ..
        } = header;
        if wanted != Some(source.length()) {
            let reason = format!(
                "{rows} × {columns} values of {} bytes after the header need {} bytes in all, \
                 the file has {}: it is truncated or garbled",
                element.size(),
                wanted.map_or("countless".to_owned(), |bytes| bytes.to_string()),
                source.length()
            );
            return Err(garbled(path, Place::Byte(source.length()), reason));
        }
        Ok(Self {
            source,
            element,
            rows,
            columns,
        })
    }
}

/// The rows of a `.npy` file of vectors.
#[derive(Debug)]
pub(super) struct NpyRows {
    array: NpyArray,
    next_row: u64,
}

impl NpyRows {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let array = NpyArray::open(path)?;
        if !array.element.is_vector_value() {
            return Err(garbled(
                path,
                Place::Whole,
                "int32 and int64 are for neighbours, vectors are float32, float16, float64, uint8 \
                 or int8",
            ));
        }
        Ok(Self { array, next_row: 0 })
    }

    pub(super) fn rows(&self) -> u64 {
        self.array.rows
    }

    pub(super) fn dimension(&self) -> usize {
        self.array.columns
    }

    pub(super) fn bytes(&self) -> u64 {
        self.array.source.length()
    }

    pub(super) fn next_batch(
        &mut self,
        max_rows: usize,
        id_offset: u64,
    ) -> Result<Option<VectorBatch>, ClientError> {
        let NpyArray {
            source,
            element,
            rows,
            columns,
        } = &mut self.array;
        let count = (*rows - self.next_row).min(max_rows as u64) as usize;
        if count == 0 {
            return Ok(None);
        }
        let start = source.offset();
        let mut bytes = vec![0; count * *columns * element.size()];
        source.read(&mut bytes, "its rows")?;
        let mut vectors = Vec::with_capacity(count * *columns);
        element.append_floats(&bytes, &mut vectors);
        let first_row = self.next_row;
        let (columns, size) = (*columns, element.size() as u64);
        check_finite(
            source.path(),
            &vectors,
            first_row,
            columns,
            |row, column| start + (row * columns as u64 + column) * size,
        )?;
        self.next_row += count as u64;
        Ok(Some(VectorBatch {
            first_row,
            dimension: columns,
            ids: row_numbers(id_offset + first_row, count),
            vectors,
            end: source.offset(),
        }))
    }
}

/// Reads element, rows and columns out of the header's dictionary.
fn parse_header(header: &str) -> Result<(Element, u64, usize), String> {
    let descriptor = value_of(header, "descr")?;
    let Some(descriptor) = unquote(descriptor) else {
        return Err("an array of records cannot be read, only one of plain numbers".to_owned());
    };
    let Some(element) = Element::from_descriptor(descriptor) else {
        return Err(format!(
            "values of type {descriptor:?} cannot be read; little-endian float32 (<f4), float16 \
             (<f2), float64 (<f8), uint8 (|u1) and int8 (|i1) can, as numpy's astype makes them"
        ));
    };

    let order = value_of(header, "fortran_order")?;
    if order.starts_with("True") {
        return Err("the array is in Fortran order (column by column); save \
                    numpy.ascontiguousarray of it"
            .to_owned());
    }
    if !order.starts_with("False") {
        return Err("fortran_order in the header is neither True nor False".to_owned());
    }

    let shape = value_of(header, "shape")?;
    let inner = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map(|(inner, _)| inner)
        .ok_or("the header's shape is no tuple")?;
    let sizes: Vec<&str> = inner
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .collect();
    let [rows, columns] = sizes[..] else {
        return Err(format!(
            "the array has {} dimensions, ({inner}); rows × values, two, are needed",
            sizes.len()
        ));
    };
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} in the header's shape is no number"))
    };
    let (rows, columns) = (number(rows)?, number(columns)?);
    if columns == 0 || columns > MOST_DIMENSIONS {
        return Err(format!("rows of {columns} values cannot be vectors"));
    }
    Ok((element, rows, columns as usize))
}

/// What follows `'key':` in the dictionary.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    [format!("'{key}'"), format!("\"{key}\"")]
        .iter()
        .find_map(|quoted| header.split_once(quoted.as_str()))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| format!("the header does not say {key}"))
}

fn unquote(value: &str) -> Option<&str> {
    let quote = value
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'))?;
    value.get(1..)?.split_once(quote).map(|(inner, _)| inner)
}
