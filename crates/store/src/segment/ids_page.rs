//! The pages of an `.ids` file: rows by the hash of their id, and ids by row. Each page is read,
//! and verified by its own checksum, alone.

use crate::{ids::Ids, index::sorted_hashes};

/// Bytes of a page; the last one of each kind is shorter. One lookup reads one page of each kind,
/// so they are small; one id of the longest kind fits.
pub(super) const PAGE_LEN: usize = 1_024;

/// A page ends with the crc32 of its content and its number.
const CRC_LEN: usize = 4;
const CONTENT_LEN: usize = PAGE_LEN - CRC_LEN;

/// A hash and a row.
const INDEX_ENTRY_LEN: usize = 8 + 4;

/// Entries of every index page but the last.
const INDEX_ENTRIES: usize = CONTENT_LEN / INDEX_ENTRY_LEN;

/// Bytes of a count of ids, and of the end of an id in its page's text.
const SMALL: usize = 2;

/// Bytes of the index pages of so many rows.
pub(super) fn index_len(rows: u32) -> u64 {
    let pages = u64::from(rows).div_ceil(INDEX_ENTRIES as u64);
    u64::from(rows) * INDEX_ENTRY_LEN as u64 + pages * CRC_LEN as u64
}

/// Hands the pages of these ids to `write`, each whole: those of the index, then those of the ids.
pub(super) fn write_pages<E>(
    ids: &Ids,
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut number = 0;
    let mut page = Vec::with_capacity(PAGE_LEN);
    let mut finish = |page: &mut Vec<u8>| {
        let crc = crc(page, number);
        page.extend_from_slice(&crc.to_le_bytes());
        write(page)?;
        page.clear();
        number += 1;
        Ok(())
    };

    let index = sorted_hashes(ids);
    for entries in index.chunks(INDEX_ENTRIES) {
        for (hash, row) in entries {
            page.extend_from_slice(&hash.to_le_bytes());
            page.extend_from_slice(&row.to_le_bytes());
        }
        finish(&mut page)?;
    }
    drop(index);

    let mut row = 0;
    while row < ids.rows() {
        let count = ids_that_fit(ids, row);
        page.extend_from_slice(&(count as u16).to_le_bytes());
        let mut end = 0;
        for row in row..row + count {
            end += ids.get(row).len();
            page.extend_from_slice(&(end as u16).to_le_bytes());
        }
        for row in row..row + count {
            page.extend_from_slice(ids.get(row).as_bytes());
        }
        row += count;
        if row < ids.rows() {
            page.resize(CONTENT_LEN, 0);
        }
        finish(&mut page)?;
    }
    Ok(())
}

/// How many ids from this row on one page holds: at least one.
fn ids_that_fit(ids: &Ids, first: u32) -> u32 {
    let mut len = SMALL;
    let mut count = 0;
    while first + count < ids.rows() {
        len += SMALL + ids.get(first + count).len();
        if len > CONTENT_LEN {
            break;
        }
        count += 1;
    }
    count.max(1)
}

/// The checksum of a page: its content, then its number, so that a page in another's place is
/// found.
fn crc(content: &[u8], number: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(content);
    hasher.update(&number.to_le_bytes());
    hasher.finalize()
}

/// What a page holds before its checksum; the checksum expected, and the one found, if they differ.
pub(super) fn content(page: &[u8], number: u32) -> Result<&[u8], (u32, u32)> {
    let (content, stored) = page
        .split_last_chunk::<CRC_LEN>()
        .unwrap_or((page, &[0; 4]));
    let (stored, found) = (u32::from_le_bytes(*stored), crc(content, number));
    if stored != found {
        return Err((stored, found));
    }
    Ok(content)
}

/// The content of an index page: (hash of the id, row), ascending.
#[derive(Clone, Copy)]
pub(super) struct IndexPage<'a>(pub(super) &'a [u8]);

impl IndexPage<'_> {
    pub(super) fn len(self) -> usize {
        self.0.len() / INDEX_ENTRY_LEN
    }

    /// The hash and the row of an entry; `None` past the last.
    pub(super) fn entry(self, at: usize) -> Option<(u64, u32)> {
        let start = at * INDEX_ENTRY_LEN;
        let entry = self.0.get(start..start + INDEX_ENTRY_LEN)?;
        let (hash, row) = entry.split_first_chunk::<8>()?;
        let row = row.first_chunk::<4>()?;
        Some((u64::from_le_bytes(*hash), u32::from_le_bytes(*row)))
    }
}

/// The content of a page of ids.
#[derive(Clone, Copy)]
pub(super) struct IdPage<'a>(pub(super) &'a [u8]);

impl<'a> IdPage<'a> {
    /// How many ids it holds.
    pub(super) fn len(self) -> usize {
        self.small_number(0).unwrap_or(0)
    }

    /// An id by its position in the page, if its place in the text is a sound one.
    pub(super) fn id(self, at: usize) -> Option<&'a str> {
        if at >= self.len() {
            return None;
        }
        let start = if at == 0 { 0 } else { self.small_number(at)? };
        let end = self.small_number(at + 1)?;
        let text = self.0.get(SMALL * (1 + self.len())..)?;
        std::str::from_utf8(text.get(start..end)?).ok()
    }

    fn small_number(self, at: usize) -> Option<usize> {
        let bytes = self.0.get(SMALL * at..)?.first_chunk::<SMALL>()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_ID_BYTES, ids::hash_id};
    use std::convert::Infallible;

    fn pages(ids: &Ids) -> Vec<Vec<u8>> {
        let mut pages = Vec::new();
        let written = write_pages(ids, |page| {
            pages.push(page.to_vec());
            Ok::<(), Infallible>(())
        });
        assert_eq!(written, Ok(()));
        pages
    }

    #[test]
    fn ids_of_every_length_fit_and_come_back() {
        let mut ids = Ids::default();
        for row in 0..3_000usize {
            ids.push(&"ä".repeat(1 + row % (MAX_ID_BYTES / 2)));
        }
        let pages = pages(&ids);
        let index_pages = 3_000usize.div_ceil(INDEX_ENTRIES);
        let len: usize = pages[..index_pages].iter().map(Vec::len).sum();
        assert_eq!(len as u64, index_len(3_000));

        let mut indexed = Vec::new();
        let mut row = 0;
        for (number, page) in pages.iter().enumerate() {
            assert!(page.len() <= PAGE_LEN);
            let content = content(page, number as u32).expect("a page as it was written");
            if number < index_pages {
                let page = IndexPage(content);
                indexed.extend((0..page.len()).map(|at| page.entry(at).expect("an entry")));
                continue;
            }
            let page = IdPage(content);
            for at in 0..page.len() {
                assert_eq!(page.id(at), Some(ids.get(row)));
                row += 1;
            }
            assert_eq!(page.id(page.len()), None);
        }
        assert_eq!(row, 3_000);
        assert!(indexed.is_sorted());
        assert!(
            indexed
                .iter()
                .all(|&(hash, row)| hash == hash_id(ids.get(row)))
        );
        assert_eq!(indexed.len(), 3_000);
    }

    #[test]
    fn a_page_in_the_place_of_another_is_found() {
        let mut ids = Ids::default();
        (0..200).for_each(|row| ids.push(&format!("id-{row}")));
        let pages = pages(&ids);
        assert!(content(&pages[1], 1).is_ok());
        assert!(content(&pages[1], 0).is_err());
        assert!(content(&[], 0).is_err());
    }
}
