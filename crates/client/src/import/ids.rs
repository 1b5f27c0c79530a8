//! A file of ids, one a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::{ClientError, Place};

/// The ids still to be given out.
#[derive(Debug)]
pub(super) struct IdFile {
    path: PathBuf,
    lines: BufReader<File>,
    line_number: u64,
}

impl IdFile {
    pub(super) fn open(path: &Path) -> Result<Self, ClientError> {
        let file = File::open(path).map_err(|cause| ClientError::Io {
            path: path.to_owned(),
            cause,
        })?;
        Ok(Self {
            path: path.to_owned(),
            lines: BufReader::new(file),
            line_number: 0,
        })
    }

    /// Refuses a file that has not exactly `rows` ids, before anything is sent.
    pub(super) fn check(path: &Path, rows: u64) -> Result<(), ClientError> {
        let mut ids = Self::open(path)?;
        while ids.next()?.is_some() {}
        if ids.line_number == rows {
            return Ok(());
        }
        let reason = format!("it has {} ids for {rows} vectors", ids.line_number);
        Err(ClientError::File {
            path: path.to_owned(),
            place: Place::Whole,
            reason,
        })
    }

    /// The next `count` ids.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<String>, ClientError> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let Some(id) = self.next()? else {
                return Err(self.fault("the ids end here, there are more vectors"));
            };
            ids.push(id);
        }
        Ok(ids)
    }

    /// Refuses ids that are left over.
    pub(super) fn finish(&mut self) -> Result<(), ClientError> {
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(self.fault("there is no vector for this id and what follows")),
        }
    }

    fn next(&mut self) -> Result<Option<String>, ClientError> {
        let mut line = String::new();
        let read = self
            .lines
            .read_line(&mut line)
            .map_err(|cause| match cause.kind() {
                std::io::ErrorKind::InvalidData => {
                    self.line_number += 1;
                    self.fault("this is not UTF-8")
                }
                _ => ClientError::Io {
                    path: self.path.clone(),
                    cause,
                },
            })?;
        if read == 0 {
            return Ok(None);
        }
        self.line_number += 1;
        let id = line.strip_suffix('\n').unwrap_or(&line);
        let id = id.strip_suffix('\r').unwrap_or(id);
        if id.is_empty() {
            return Err(self.fault("an id must not be empty"));
        }
        Ok(Some(id.to_owned()))
    }

    fn fault(&self, reason: &str) -> ClientError {
        ClientError::File {
            path: self.path.clone(),
            place: Place::Line(self.line_number),
            reason: reason.to_owned(),
        }
    }
}
