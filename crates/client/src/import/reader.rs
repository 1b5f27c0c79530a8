//! Reads the files of an import, one after the other, in batches.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::ids::IdFile;
use super::{Import, Work};
use crate::files::VectorFile;
use crate::{ClientError, Place};

/// A request of about a million values: some MB of text, and work for all shards.
const VALUES_PER_BATCH: usize = 1 << 20;
const MOST_ROWS_PER_BATCH: usize = 10_000;
/// Rows of the first batch of a file that does not tell its dimension.
const FIRST_ROWS: usize = 256;

#[derive(Debug)]
pub(super) struct Reader {
    files: Vec<VectorFile>,
    ids: Option<IdFile>,
    batch_rows: Option<usize>,
    rows: Option<u64>,
    /// Dimension of every file, and the file that set it.
    dimension: Option<(usize, PathBuf)>,
}

impl Reader {
    /// Opens everything, so that a fault that shows at once is found before anything is sent.
    pub(super) fn open(import: &Import) -> Result<Self, ClientError> {
        let files: Vec<VectorFile> = import
            .files
            .iter()
            .map(|path| VectorFile::open(path))
            .collect::<Result<_, _>>()?;
        let rows = files.iter().map(VectorFile::rows).sum();
        let ids = import.ids.as_deref().map(IdFile::open).transpose()?;
        if let (Some(path), Some(rows)) = (&import.ids, rows) {
            IdFile::check(path, rows)?;
        }
        let mut reader = Self {
            files: Vec::new(),
            ids,
            batch_rows: import.batch_rows,
            rows,
            dimension: None,
        };
        for file in &files {
            reader.check_dimension(file)?;
        }
        reader.files = files;
        Ok(reader)
    }

    /// Rows of all files, if each of them tells.
    pub(super) fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Sends every batch. Ends early, without an error, when nobody takes them any more.
    pub(super) fn send_all(&mut self, sender: &mpsc::Sender<Work>) -> Result<(), ClientError> {
        let mut first_id = 0;
        for file in std::mem::take(&mut self.files) {
            let path = Arc::new(file.path().to_owned());
            let mut file = file.numbered_from(first_id);
            while let Some(mut batch) = file.next_batch(self.rows_wanted(&file))? {
                self.check_dimension(&file)?;
                first_id += batch.rows() as u64;
                if let Some(ids) = &mut self.ids {
                    batch.ids = ids.take(batch.rows())?;
                }
                if sender
                    .blocking_send(Work {
                        path: path.clone(),
                        batch,
                    })
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
        self.ids.as_mut().map_or(Ok(()), IdFile::finish)
    }

    fn rows_wanted(&self, file: &VectorFile) -> usize {
        match (self.batch_rows, file.dimension()) {
            (Some(rows), _) => rows,
            (None, Some(dimension)) => {
                (VALUES_PER_BATCH / dimension.max(1)).clamp(1, MOST_ROWS_PER_BATCH)
            }
            (None, None) => FIRST_ROWS,
        }
    }

    fn check_dimension(&mut self, file: &VectorFile) -> Result<(), ClientError> {
        let Some(got) = file.dimension() else {
            return Ok(());
        };
        match &self.dimension {
            None => self.dimension = Some((got, file.path().to_owned())),
            Some((expected, first)) if *expected != got => {
                return Err(ClientError::File {
                    path: file.path().to_owned(),
                    place: Place::Whole,
                    reason: format!(
                        "its vectors have {got} dimensions, those of {} have {expected}",
                        first.display()
                    ),
                });
            }
            Some(_) => {}
        }
        Ok(())
    }
}
