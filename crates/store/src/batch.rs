//! A batch of writes, as it travels in one entry of the owner's log.

use crate::{MAX_ID_BYTES, StoreError};
use bytes::Bytes;
use rkyv::{Archive, Serialize, rancor, string::ArchivedString, util::AlignedVec};

/// First bytes of every encoded batch.
const MAGIC: [u8; 4] = *b"VXWB";
/// The only version so far; little-endian after the magic bytes.
const VERSION: u32 = 1;
const HEADER_LEN: usize = 8;
/// More than the archive's fixed part takes.
const ROOT_LEN: usize = 64;

const _: () = assert!(HEADER_LEN.is_multiple_of(align_of::<ArchivedWriteBatch>()));

/// A batch of writes: the payload of one log entry.
#[derive(Debug, Clone, PartialEq, Archive, Serialize)]
pub enum WriteBatch {
    /// Adds rows, or replaces those whose id exists. The later of two equal ids wins.
    Upsert {
        /// One id a row, of 1 to [`MAX_ID_BYTES`] bytes.
        ids: Vec<String>,
        /// Values per row.
        dimension: u32,
        /// The rows, one after the other: `ids.len() × dimension` values.
        vectors: Vec<f32>,
    },
    /// Removes the rows with these ids, where they exist.
    Delete {
        /// The ids.
        ids: Vec<String>,
    },
}

impl WriteBatch {
    /// The batch as bytes: magic `VXWB`, version (u32, little-endian), an rkyv archive.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut encoded: AlignedVec = AlignedVec::with_capacity(HEADER_LEN + self.archived_len());
        encoded.extend_from_slice(&MAGIC);
        encoded.extend_from_slice(&VERSION.to_le_bytes());
        // The header is as long as a multiple of the archive's alignment, so that the archive may
        // be written behind it. That fails only where an offset inside passes 2 GiB: such a batch
        // is encoded as a header alone, which every replica refuses alike.
        match rkyv::api::high::to_bytes_in::<_, rancor::Error>(self, encoded) {
            Ok(encoded) => Bytes::from_owner(encoded),
            Err(_) => {
                let header = [MAGIC, VERSION.to_le_bytes()].concat();
                Bytes::from(header)
            }
        }
    }

    /// Reads back what [`WriteBatch::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadBatch`] if that cannot be what it wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let owned = |ids: &[ArchivedString]| ids.iter().map(|id| id.as_str().to_owned()).collect();
        Ok(match EncodedBatch::new(bytes)?.access()? {
            ArchivedWriteBatch::Upsert {
                ids,
                dimension,
                vectors,
            } => Self::Upsert {
                ids: owned(ids),
                dimension: dimension.to_native(),
                vectors: vectors.iter().map(|value| value.to_native()).collect(),
            },
            ArchivedWriteBatch::Delete { ids } => Self::Delete { ids: owned(ids) },
        })
    }

    /// About how many bytes the archive takes, rather too many than too few.
    fn archived_len(&self) -> usize {
        let (ids, values) = match self {
            Self::Upsert { ids, vectors, .. } => (ids, vectors.len()),
            Self::Delete { ids } => (ids, 0),
        };
        let id_bytes: usize = ids.iter().map(String::len).sum();
        id_bytes + size_of::<ArchivedString>() * ids.len() + size_of::<f32>() * values + ROOT_LEN
    }
}

/// The bytes of an encoded batch, checked, and aligned as its archive needs.
pub(crate) struct EncodedBatch<'a> {
    archive: AlignedArchive<'a>,
}

enum AlignedArchive<'a> {
    InPlace(&'a [u8]),
    Copied(AlignedVec),
}

impl<'a> EncodedBatch<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, StoreError> {
        let header = bytes.first_chunk::<HEADER_LEN>();
        let Some([m0, m1, m2, m3, v0, v1, v2, v3]) = header.copied() else {
            return Err(bad_batch(format!(
                "{} bytes are too few for its header",
                bytes.len()
            )));
        };
        if [m0, m1, m2, m3] != MAGIC {
            return Err(bad_batch("it does not start with VXWB"));
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        if version != VERSION {
            return Err(bad_batch(format!(
                "its version is {version}, known is {VERSION}"
            )));
        }
        let archive = &bytes[HEADER_LEN..];
        let is_aligned = archive
            .as_ptr()
            .addr()
            .is_multiple_of(align_of::<ArchivedWriteBatch>());
        let archive = if is_aligned {
            AlignedArchive::InPlace(archive)
        } else {
            let mut copy = AlignedVec::with_capacity(archive.len());
            copy.extend_from_slice(archive);
            AlignedArchive::Copied(copy)
        };
        Ok(Self { archive })
    }

    /// The batch as its archive has it.
    fn access(&self) -> Result<&ArchivedWriteBatch, StoreError> {
        let bytes = match &self.archive {
            AlignedArchive::InPlace(bytes) => bytes,
            AlignedArchive::Copied(bytes) => bytes.as_slice(),
        };
        rkyv::access::<ArchivedWriteBatch, rancor::Error>(bytes)
            .map_err(|error| bad_batch(format!("its archive is not valid: {error}")))
    }

    /// The batch, found to be of this dimension, with sound ids and finite values.
    pub(crate) fn check(&self, dimension: usize) -> Result<&ArchivedWriteBatch, StoreError> {
        let batch = self.access()?;
        match batch {
            ArchivedWriteBatch::Upsert {
                ids,
                dimension: got,
                vectors,
            } => {
                let got = got.to_native() as usize;
                if got != dimension {
                    return Err(StoreError::WrongDimension {
                        expected: dimension,
                        got,
                    });
                }
                if ids.len().checked_mul(dimension) != Some(vectors.len()) {
                    let (ids, values) = (ids.len(), vectors.len());
                    return Err(bad_batch(format!(
                        "{ids} ids of {dimension} dimensions do not match {values} values"
                    )));
                }
                for (index, row) in vectors.chunks_exact(dimension).enumerate() {
                    if let Some(at) = row.iter().position(|value| !value.to_native().is_finite()) {
                        return Err(bad_batch(format!(
                            "value {at} of vector {index} is not finite"
                        )));
                    }
                    if row.iter().all(|value| value.to_native() == 0.0) {
                        return Err(bad_batch(format!("vector {index} is zero")));
                    }
                }
                check_ids(ids.iter().map(|id| id.as_str()))?;
            }
            ArchivedWriteBatch::Delete { ids } => check_ids(ids.iter().map(|id| id.as_str()))?,
        }
        Ok(batch)
    }
}

fn check_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    for (index, id) in ids.enumerate() {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            let len = id.len();
            return Err(bad_batch(format!(
                "id {index} has {len} bytes, not 1 to {MAX_ID_BYTES}"
            )));
        }
    }
    Ok(())
}

fn bad_batch(detail: impl Into<String>) -> StoreError {
    StoreError::BadBatch {
        detail: detail.into(),
    }
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod tests;
