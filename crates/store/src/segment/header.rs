//! The 64 bytes that each file of a segment begins with.

use crate::StoreError;
use std::path::Path;

/// Length of the header; the codes begin right after it, on a 64-byte boundary.
pub(super) const HEADER_LEN: usize = 64;

/// The newest version that this program reads, and the one it writes.
const VERSION: u32 = 2;

/// Which of a segment's files a header belongs to, by its first eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magic {
    Segment,
    Ids,
    Vectors,
}

impl Magic {
    fn bytes(self) -> [u8; 8] {
        match self {
            Self::Segment => *b"VXSEGMNT",
            Self::Ids => *b"VXIDENTS",
            Self::Vectors => *b"VXVECTRS",
        }
    }
}

/// What the header says. Only the segment file has an archive and a checksum of its body; the
/// others leave them at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Header {
    pub(super) dimension: u32,
    pub(super) rows: u32,
    pub(super) archive_offset: u64,
    pub(super) archive_len: u64,
    /// crc32 of everything after the header.
    pub(super) body_crc: u32,
}

impl Header {
    pub(super) fn encode(&self, magic: Magic) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..8].copy_from_slice(&magic.bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.dimension.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.rows.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.archive_offset.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.archive_len.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header back; `file` is named in the error.
    pub(super) fn decode(
        bytes: &[u8; HEADER_LEN],
        magic: Magic,
        file: &Path,
    ) -> Result<Self, StoreError> {
        if bytes[0..8] != magic.bytes() {
            let expected = format!("a file that starts with {}", magic.bytes().escape_ascii());
            let got = bytes[0..8].escape_ascii().to_string();
            return Err(StoreError::damaged(file, expected, got));
        }
        let stored_crc = u32_at(bytes, 60);
        let crc = crc32fast::hash(&bytes[..60]);
        if crc != stored_crc {
            let expected = format!("a header with crc32 {stored_crc:08x}");
            return Err(StoreError::damaged(file, expected, format!("{crc:08x}")));
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            let file = file.to_path_buf();
            return Err(StoreError::NewerVersion {
                file,
                supported: VERSION,
                got: version,
            });
        }
        if version != VERSION {
            let expected = format!("format version {VERSION}");
            return Err(StoreError::damaged(file, expected, version));
        }
        Ok(Self {
            dimension: u32_at(bytes, 12),
            rows: u32_at(bytes, 16),
            archive_offset: u64_at(bytes, 24),
            archive_len: u64_at(bytes, 32),
            body_crc: u32_at(bytes, 40),
        })
    }
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8; HEADER_LEN], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        dimension: 3,
        rows: 7,
        archive_offset: 128,
        archive_len: 99,
        body_crc: 5,
    };

    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, StoreError> {
        Header::decode(bytes, Magic::Segment, Path::new("x.segment"))
    }

    #[test]
    fn a_header_comes_back() {
        assert_eq!(decode(&HEADER.encode(Magic::Segment)).unwrap(), HEADER);
    }

    #[test]
    fn any_flipped_bit_is_found() {
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = HEADER.encode(Magic::Segment);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(decode(&bytes), Err(StoreError::Damaged { .. })),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn another_file_of_a_segment_is_not_taken_for_it() {
        let error = decode(&HEADER.encode(Magic::Vectors))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("VXSEGMNT") && error.contains("VXVECTRS"),
            "{error}"
        );
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        let mut bytes = HEADER.encode(Magic::Segment);
        bytes[8] = 3;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(
            decode(&bytes),
            Err(StoreError::NewerVersion {
                supported: 2,
                got: 3,
                ..
            })
        ));
    }
}
