use crate::Frame;
use crate::blocks::encoded_len;
use crate::error::LayoutError;

/// The int8 rows of one segment, borrowed from memory or from a mapped file.
///
/// The layout is blocks of 16 rows, their lines by stage. A stage of g groups of 4 dimensions takes
/// g lines of 64 bytes per block, block after block; byte 4·r + j of a line is the code of row r of
/// the block in dimension j of the group, plus 128. What is beyond the last row or dimension is the
/// code 0, the byte 128. The scan is fastest where the bytes begin at a multiple of 64 in memory.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    frame: &'a Frame,
    bytes: &'a [u8],
}

impl<'a> Codes<'a> {
    /// Views bytes that [`QuantizedRows`](crate::QuantizedRows) once encoded: its `codes_bytes`,
    /// beside its `frame`, which [`Frame::check`] found sound. That the bytes are the ones encoded is
    /// the owner's checksum to say, and the bounds rest on it.
    ///
    /// # Errors
    ///
    /// [`LayoutError::CodesLength`] if the bytes are not as many as the frame's rows take.
    pub fn new(frame: &'a Frame, bytes: &'a [u8]) -> Result<Self, LayoutError> {
        let expected = frame.codes_len();
        if bytes.len() != expected {
            return Err(LayoutError::CodesLength {
                dimension: frame.dimension,
                rows: frame.rows,
                expected,
                got: bytes.len(),
            });
        }
        Ok(Self { frame, bytes })
    }

    /// The bytes that the codes of so many rows take: ⌈rows / 16⌉ · ⌈dimension / 4⌉ · 64.
    #[must_use]
    pub fn encoded_len(dimension: usize, rows: usize) -> usize {
        encoded_len(dimension, rows)
    }

    /// The number of codes per row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.frame.dimension
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frame.rows
    }

    /// How the rows were quantised.
    #[must_use]
    pub fn frame(&self) -> &'a Frame {
        self.frame
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
