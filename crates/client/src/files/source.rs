//! A file read front to back, with the offset kept for messages.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::garbled;
use crate::{ClientError, Place};

/// Large enough that reading is not the bottleneck, small enough not to count as memory.
const BUFFER: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
    length: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let io = |cause| ClientError::Io {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(garbled(path, Place::Whole, "it is not a regular file"));
        }
        let file = BufReader::with_capacity(BUFFER, file);
        Ok(Self {
            path: path.to_owned(),
            file,
            offset: 0,
            length: metadata.len(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the file when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads `buffer` full; `what` it is goes into the message if the file ends before.
    pub(super) fn read(&mut self, buffer: &mut [u8], what: &str) -> Result<(), ClientError> {
        match self.file.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(garbled(
                &self.path,
                Place::Byte(self.offset),
                format!("the file ends within {what}"),
            )),
            Err(cause) => Err(ClientError::Io {
                path: self.path.clone(),
                cause,
            }),
        }
    }

    /// Reads up to and with the next line feed into `line`, at most `limit` bytes. False at the end.
    pub(super) fn read_line(
        &mut self,
        line: &mut Vec<u8>,
        limit: u64,
    ) -> Result<bool, ClientError> {
        line.clear();
        let read = io::BufRead::read_until(&mut (&mut self.file).take(limit), b'\n', line)
            .map_err(|cause| ClientError::Io {
                path: self.path.clone(),
                cause,
            })?;
        self.offset += read as u64;
        Ok(read > 0)
    }
}

/// Refuses values that are not finite as float32. `vectors` begins with row `first_row`;
/// `position` gives the byte of a value by its row (within `vectors`) and column.
pub(super) fn check_finite(
    path: &Path,
    vectors: &[f32],
    first_row: u64,
    dimension: usize,
    position: impl Fn(u64, u64) -> u64,
) -> Result<(), ClientError> {
    let Some(index) = vectors.iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let (row, column) = ((index / dimension) as u64, (index % dimension) as u64);
    let value = vectors.get(index).copied().unwrap_or(f32::NAN);
    Err(garbled(
        path,
        Place::Byte(position(row, column)),
        format!(
            "row {}, value {column} is {value} as a float32; every value must be finite",
            first_row + row
        ),
    ))
}
