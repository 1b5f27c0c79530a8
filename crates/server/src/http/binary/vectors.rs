//! Bytes of vectors, read into flat float32.

use vectra_client::files::{Element, NPY_MAGIC, NpyHeader};

use crate::config::MAX_DIMENSION;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;
use crate::http::rows::Rows;

/// How the vectors of a body are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum VectorFormat {
    /// A `.npy` file, which says all about itself.
    Npy,
    /// Rows of so many little-endian float32 values, with nothing before, between or after them.
    Floats { dimension: usize },
}

impl VectorFormat {
    /// Reads vectors: shapes and values are checked.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Rows, Problem> {
        match self {
            VectorFormat::Npy => read_npy(bytes),
            VectorFormat::Floats { dimension } => read_floats(bytes, dimension),
        }
    }
}

fn read_npy(bytes: &[u8]) -> Result<Rows, Problem> {
    let mut rest = bytes;
    let header = NpyHeader::read(
        |buffer, what| match rest.split_at_checked(buffer.len()) {
            Some((next, after)) => {
                buffer.copy_from_slice(next);
                rest = after;
                Ok(())
            }
            None => Err(malformed(
                bytes.len(),
                format!("the .npy file ends within {what}"),
            )),
        },
        |byte, reason| malformed(usize::try_from(byte).unwrap_or(usize::MAX), reason),
    )?;
    let NpyHeader {
        element,
        rows: count,
        columns: dimension,
        ..
    } = header;
    if !element.is_vector_value() {
        let detail = "vectors are float32, float16, float64, uint8 or int8; convert other whole \
                      numbers with astype(\"float32\")";
        return Err(malformed(0, detail));
    }
    if dimension > MAX_DIMENSION {
        let detail = format!(
            "the vectors have {dimension} values each; a vector has at most {MAX_DIMENSION}"
        );
        let problem = Problem::new(ProblemKind::WrongDimension, detail).got(dimension);
        return Err(problem.limit(MAX_DIMENSION as u64));
    }
    let wanted = header.data_bytes();
    if wanted != Some(rest.len() as u64) {
        let detail = format!(
            "{count} × {dimension} values of {} bytes need {} bytes after the header, there are \
             {}: the file is truncated or garbled",
            element.size(),
            wanted.map_or("countless".to_owned(), |wanted| wanted.to_string()),
            rest.len()
        );
        let problem = malformed(bytes.len(), detail).got(rest.len());
        return Err(
            match wanted.and_then(|wanted| usize::try_from(wanted).ok()) {
                Some(wanted) => problem.expected(wanted),
                None => problem,
            },
        );
    }
    rows_of(rest, element, dimension)
}

fn read_floats(bytes: &[u8], dimension: usize) -> Result<Rows, Problem> {
    if bytes.starts_with(NPY_MAGIC) {
        let detail = "these are the bytes of a .npy file, not of float32 values alone; leave out \
                      ?dimension, and send a body of its own as application/x-npy";
        return Err(malformed(0, detail));
    }
    let row_bytes = dimension * Element::F32.size();
    if !bytes.len().is_multiple_of(row_bytes) {
        let detail = format!(
            "{} bytes are no whole number of vectors: one of {dimension} float32 values takes \
             {row_bytes}",
            bytes.len()
        );
        let problem = malformed(bytes.len(), detail).got(bytes.len());
        return Err(problem.expected(bytes.len().next_multiple_of(row_bytes)));
    }
    rows_of(bytes, Element::F32, dimension)
}

/// The rows in whole `bytes`.
fn rows_of(bytes: &[u8], element: Element, dimension: usize) -> Result<Rows, Problem> {
    let mut values = Vec::with_capacity(bytes.len() / element.size());
    element.append_floats(bytes, &mut values);
    for (index, row) in values.chunks_exact(dimension).enumerate() {
        if !is_finite(row) {
            return Err(not_finite(index, row));
        }
    }
    Ok(Rows {
        count: values.len() / dimension,
        dimension,
        values,
    })
}

/// Whether all values are. Without a branch a value, so that the compiler makes it wide.
fn is_finite(row: &[f32]) -> bool {
    let magnitude = |value: &f32| value.to_bits() & !(1 << 31);
    let largest = row.iter().map(magnitude).fold(0, u32::max);
    largest < f32::INFINITY.to_bits()
}

#[cold]
fn not_finite(index: usize, row: &[f32]) -> Problem {
    let position = row.iter().position(|value| !value.is_finite());
    let position = position.unwrap_or_default();
    let value = row.get(position).copied().unwrap_or(f32::NAN);
    let detail = format!(
        "vectors[{index}][{position}] is {value} as a 32-bit float; values must be finite and below \
         3.4e38"
    );
    Problem::new(ProblemKind::NotFinite, detail)
        .index(index)
        .position(position)
}

fn malformed(byte: usize, detail: impl std::fmt::Display) -> Problem {
    let detail = format!("byte {byte} of the vectors: {detail}");
    Problem::new(ProblemKind::MalformedVectors, detail).byte(byte)
}
