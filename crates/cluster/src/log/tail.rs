//! Tells damage in the log's last file from the torn end that a crash leaves.
//!
//! The engine cuts its last file off at the first batch that is not valid, for it takes it to be
//! the last one, half written when the process died. Damage in the middle of the file looks the
//! same to it, and everything acknowledged after it would be gone. But every batch is synced
//! before the next is begun, so only the very last can be torn: if a valid batch follows, then the
//! file is damaged, and opening it would lose data.
//!
//! A batch (raft-engine 0.4, format version 2; all but the checksum big-endian): u56 length, u8
//! compression, u64 offset of the footer, entries with their own CRC32, footer, and the footer's
//! CRC32 (little-endian) combined by XOR with the low 32 bits of the file's number. Compression is
//! off, so its byte is 0.

use std::fs;
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"RAFT-LOG-FILE-HEADER-9986AB3E47F320B394C8E84916EB0ED5";
/// Magic, version u64, alignment u64.
const FILE_HEADER_BYTES: usize = MAGIC.len() + 8 + 8;
const BATCH_HEADER_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// Checks the last file of either queue; says which is damaged, and how.
pub(super) fn check_last_files(directory: &Path) -> Result<(), (PathBuf, String)> {
    for suffix in [".raftlog", ".rewrite"] {
        let last = last_file(directory, suffix)
            .map_err(|error| (directory.to_owned(), error.to_string()))?;
        let Some((number, path)) = last else {
            continue;
        };
        let bytes = fs::read(&path).map_err(|error| (path.clone(), error.to_string()))?;
        if let Some(offset) = damage(&bytes, number as u32) {
            let reason = format!(
                "it is damaged at byte {offset}, and valid batches follow: restore it from a \
                 backup, or let another replica take this one's place"
            );
            return Err((path, reason));
        }
    }
    Ok(())
}

/// The file with the highest number, which is its name.
fn last_file(directory: &Path, suffix: &str) -> std::io::Result<Option<(u64, PathBuf)>> {
    let mut last = None;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(suffix))
            .and_then(|number| number.parse::<u64>().ok());
        last = last.max(number.map(|number| (number, entry.path())));
    }
    Ok(last)
}

/// Where the file stops being valid although a valid batch follows.
fn damage(bytes: &[u8], signature: u32) -> Option<usize> {
    let mut end = FILE_HEADER_BYTES;
    if bytes.starts_with(MAGIC) {
        while let Some(length) = batch_at(bytes, end, signature) {
            end += length;
        }
    } else {
        end = 0;
    }

    let mut position = end + 1;
    while position < bytes.len() {
        if batch_at(bytes, position, signature).is_some() {
            return Some(end);
        }
        position += 1;
        // The end of a file that is in use is empty: a batch's length is not all zero.
        let zeros = bytes[position.min(bytes.len())..]
            .iter()
            .take_while(|byte| **byte == 0);
        position += zeros.count().saturating_sub(7);
    }
    None
}

/// The length of the batch that begins at an offset, if one does.
fn batch_at(bytes: &[u8], offset: usize, signature: u32) -> Option<usize> {
    let rest = bytes.get(offset..)?;
    let header = rest.first_chunk::<BATCH_HEADER_BYTES>()?;
    let (first, second) = header.split_at(8);
    let length_and_compression = u64::from_be_bytes(first.try_into().ok()?);
    let length = usize::try_from(length_and_compression >> 8).ok()?;
    let footer = usize::try_from(u64::from_be_bytes(second.try_into().ok()?)).ok()?;
    let is_compressed = length_and_compression & 0xff != 0;
    let is_too_long = length > rest.len();
    let is_too_short = footer < BATCH_HEADER_BYTES || footer + CHECKSUM_BYTES >= length;
    if is_compressed || is_too_long || is_too_short {
        return None;
    }
    let (content, checksum) = rest[footer..length].split_at(length - footer - CHECKSUM_BYTES);
    let expected = u32::from_le_bytes(checksum.try_into().ok()?) ^ signature;
    (crc32fast::hash(content) == expected).then_some(length)
}
