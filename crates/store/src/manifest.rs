//! The manifest: which segments are the shard, as of one checkpoint.

use crate::{StoreError, segment::SegmentEntry};
use bytes::Bytes;
use roaring::RoaringBitmap;
use std::{path::Path, sync::Arc};

const MAGIC: [u8; 8] = *b"VXMANIFT";
/// The newest version that this program reads, and the one it writes.
const VERSION: u32 = 2;
/// Magic, version, crc32, length of the body.
const HEADER_LEN: usize = 24;

/// The state of a shard as of its last checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) dimension: u32,
    /// Every number from here on was never given to a segment.
    pub(crate) next_number: u64,
    /// What the owner said about the checkpoint; none before the first one.
    pub(crate) mark: Option<Bytes>,
    /// The segments, oldest first, each with the rows that are dead as of the mark.
    pub(crate) segments: Vec<(SegmentEntry, Arc<RoaringBitmap>)>,
}

impl Manifest {
    /// The bytes of the manifest file, as `docs/format.md` describes them.
    pub(crate) fn encode(&self) -> Bytes {
        let mut body = Vec::new();
        body.extend_from_slice(&self.dimension.to_le_bytes());
        body.extend_from_slice(&self.next_number.to_le_bytes());
        body.push(u8::from(self.mark.is_some()));
        write_bytes(&mut body, self.mark.as_deref().unwrap_or_default());
        body.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for (entry, dead) in &self.segments {
            body.extend_from_slice(&entry.number.to_le_bytes());
            body.extend_from_slice(&entry.rows.to_le_bytes());
            body.extend_from_slice(&entry.segment_len.to_le_bytes());
            body.extend_from_slice(&entry.segment_crc.to_le_bytes());
            body.extend_from_slice(&entry.ids_len.to_le_bytes());
            body.extend_from_slice(&entry.ids_crc.to_le_bytes());
            body.extend_from_slice(&entry.vectors_len.to_le_bytes());
            body.extend_from_slice(&entry.vectors_crc.to_le_bytes());
            let mut tombstones = Vec::with_capacity(dead.serialized_size());
            // Writing to a Vec cannot fail; a short bitmap would be refused when it is read.
            let _ = dead.serialize_into(&mut tombstones);
            write_bytes(&mut body, &tombstones);
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&checksum(VERSION, &body).to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        Bytes::from(bytes)
    }

    /// Reads a manifest back; `file` is named in errors.
    pub(crate) fn decode(bytes: &[u8], file: &Path) -> Result<Self, StoreError> {
        let damaged = |expected: &str, got: String| StoreError::damaged(file, expected, got);
        let mut reader = Reader { rest: bytes };
        let too_short = || damaged("a header of 24 bytes", format!("{} bytes", bytes.len()));
        let magic = reader.take(8).ok_or_else(too_short)?;
        if magic != MAGIC {
            let got = magic.escape_ascii().to_string();
            return Err(damaged("a file that starts with VXMANIFT", got));
        }
        let version = reader.u32().ok_or_else(too_short)?;
        let stored_crc = reader.u32().ok_or_else(too_short)?;
        let body_len = reader.u64().ok_or_else(too_short)?;
        if body_len != reader.rest.len() as u64 {
            let expected = format!("{body_len} bytes after the header");
            return Err(damaged(&expected, reader.rest.len().to_string()));
        }
        let crc = checksum(version, reader.rest);
        if crc != stored_crc {
            let expected = format!("contents with crc32 {stored_crc:08x}");
            return Err(damaged(&expected, format!("{crc:08x}")));
        }
        if version > VERSION {
            let file = file.to_path_buf();
            return Err(StoreError::NewerVersion {
                file,
                supported: VERSION,
                got: version,
            });
        }
        if version != VERSION {
            return Err(damaged(
                &format!("format version {VERSION}"),
                version.to_string(),
            ));
        }
        reader
            .body()
            .ok_or_else(|| damaged("a list of segments", "one that makes no sense".into()))
    }
}

/// The crc32 of the version, the length of the body, and the body.
fn checksum(version: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// Takes values off the front of some bytes; none where they end too early.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn body(&mut self) -> Option<Manifest> {
        let dimension = self.u32()?;
        let next_number = self.u64()?;
        let [has_mark] = self.array()?;
        let mark_bytes = self.bytes()?;
        let mark = match has_mark {
            0 => None,
            1 => Some(Bytes::copy_from_slice(mark_bytes)),
            _ => return None,
        };
        let count = self.u32()?;
        let mut segments: Vec<(SegmentEntry, Arc<RoaringBitmap>)> = Vec::new();
        for _ in 0..count {
            let entry = SegmentEntry {
                number: self.u64()?,
                rows: self.u32()?,
                segment_len: self.u64()?,
                segment_crc: self.u32()?,
                ids_len: self.u64()?,
                ids_crc: self.u32()?,
                vectors_len: self.u64()?,
                vectors_crc: self.u32()?,
            };
            let dead = RoaringBitmap::deserialize_from(self.bytes()?).ok()?;
            let is_known = segments
                .iter()
                .any(|(other, _)| other.number == entry.number);
            let is_out_of_range = dead.max().is_some_and(|row| row >= entry.rows);
            if is_known || is_out_of_range || entry.number >= next_number {
                return None;
            }
            segments.push((entry, Arc::new(dead)));
        }
        self.rest.is_empty().then_some(Manifest {
            dimension,
            next_number,
            mark,
            segments,
        })
    }
}

#[cfg(test)]
#[path = "manifest_test.rs"]
mod tests;
