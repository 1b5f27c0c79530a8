//! Matrices from `.npy` files (format 1.0 and 2.0, little-endian, C order).
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// A file's header and the bytes after it.
struct Array {
    descr: String,
    rows: usize,
    columns: usize,
    data: Vec<u8>,
}

/// Vectors, row-major.
pub struct Vectors {
    /// The number of values per row.
    pub dimension: usize,
    /// The rows, one after the other.
    pub values: Vec<f32>,
}

/// The header of a version 1.0 file of float32, padded so that the values begin at a multiple of
/// 64 bytes.
pub(crate) fn write_header(out: &mut impl Write, rows: u64, columns: usize) -> io::Result<()> {
    let dictionary =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{dictionary:<width$}", width = length - 1)
}

/// Reads a matrix of uint8, float16 or float32 as float32 vectors.
///
/// # Errors
///
/// If the file cannot be read, or is no such matrix.
pub fn read_vectors(path: &Path) -> Result<Vectors> {
    let array = read(path)?;
    let values = match array.descr.as_str() {
        "|u1" => array.data.iter().map(|&byte| f32::from(byte)).collect(),
        "<f2" => array
            .data
            .as_chunks()
            .0
            .iter()
            .map(|&b| half::f16::from_le_bytes(b).to_f32())
            .collect(),
        "<f4" => array
            .data
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect(),
        other => bail!(
            "{}: values of type {other} are not uint8, float16 or float32",
            path.display()
        ),
    };
    let vectors = Vectors {
        dimension: array.columns,
        values,
    };
    ensure!(
        vectors.values.len() == array.rows * array.columns,
        "{}: {} values where the header promises {} × {}",
        path.display(),
        vectors.values.len(),
        array.rows,
        array.columns
    );
    Ok(vectors)
}

/// Reads a matrix of int32 row numbers: for each query, the rows nearest to it, best first.
///
/// # Errors
///
/// If the file cannot be read, or is no such matrix.
pub fn read_truth(path: &Path) -> Result<Vec<Vec<u32>>> {
    let array = read(path)?;
    ensure!(
        array.descr == "<i4",
        "{}: row numbers of type {}, not int32",
        path.display(),
        array.descr
    );
    let rows: Vec<u32> = array
        .data
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| u32::from_le_bytes(bytes))
        .collect();
    ensure!(
        rows.len() == array.rows * array.columns,
        "{}: cut short",
        path.display()
    );
    Ok(rows
        .chunks_exact(array.columns)
        .map(<[u32]>::to_vec)
        .collect())
}

fn read(path: &Path) -> Result<Array> {
    let mut bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let header_end =
        header_end(&bytes).with_context(|| format!("{} is no .npy file", path.display()))?;
    let header = String::from_utf8_lossy(&bytes[..header_end]).into_owned();
    let Some(descr) = quoted_after(&header, "'descr':") else {
        bail!("{}: a header without a type", path.display());
    };
    ensure!(
        header.contains("'fortran_order': False"),
        "{}: not in C order",
        path.display()
    );
    let lengths = lengths(&header).with_context(|| path.display().to_string())?;
    let [rows, columns] = lengths[..] else {
        bail!("{}: {} axes, not two", path.display(), lengths.len());
    };
    ensure!(columns > 0, "{}: rows without values", path.display());
    let data = bytes.split_off(header_end);
    Ok(Array {
        descr,
        rows,
        columns,
        data,
    })
}

/// Where the header ends and the data begins.
fn header_end(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"\x93NUMPY") {
        return None;
    }
    let end = match bytes.get(6)? {
        1 => 10 + usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?)),
        _ => 12 + u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize,
    };
    (end <= bytes.len()).then_some(end)
}

fn lengths(header: &str) -> Result<Vec<usize>> {
    let shape = header.split("'shape':").nth(1);
    let inside = shape.and_then(|rest| rest.split(['(', ')']).nth(1));
    let inside = inside.context("a header without a shape")?;
    let lengths = inside.split(',').map(str::trim);
    let lengths = lengths.filter(|length| !length.is_empty());
    Ok(lengths.map(str::parse).collect::<Result<_, _>>()?)
}

fn quoted_after(header: &str, key: &str) -> Option<String> {
    header
        .split(key)
        .nth(1)?
        .split('\'')
        .nth(1)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(dictionary: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dictionary.len() as u16).to_le_bytes());
        bytes.extend(dictionary.as_bytes());
        bytes
    }

    #[test]
    fn the_header_names_type_shape_and_order() {
        let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (500, 384), }   \n";
        let bytes = header(text);
        assert_eq!(header_end(&bytes), Some(bytes.len()));
        assert_eq!(quoted_after(text, "'descr':").as_deref(), Some("<f2"));
        assert_eq!(lengths(text).unwrap(), [500, 384]);
    }

    #[test]
    fn bytes_that_are_cut_short_or_foreign_have_no_header() {
        let whole = header("{}");
        assert_eq!(header_end(&whole[..whole.len() - 1]), None);
        assert_eq!(header_end(b"PK\x03\x04 something else"), None);
    }
}
