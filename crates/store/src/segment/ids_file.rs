//! The `.ids` file: ids by row, and rows by the hash of their id; read page by page, never mapped,
//! so that what was looked up once takes no memory.

use super::{
    header::{HEADER_LEN, Header, Magic},
    ids_page::{self, IdPage, IndexPage, PAGE_LEN},
    sealed::{READ_BYTES, SegmentEntry, WHOLE_FILE, check_crc, open_existing, read_header},
};
use crate::{StoreError, error::While, ids::Ids, index::lower_bound};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Hands the bytes of the file of these ids to `write`, piece by piece.
pub(super) fn write_ids<E>(
    dimension: usize,
    ids: &Ids,
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let header = Header {
        dimension: dimension as u32,
        rows: ids.rows(),
        ..Header::default()
    };
    write(&header.encode(Magic::Ids))?;
    let mut gathered = Vec::with_capacity(READ_BYTES + PAGE_LEN);
    ids_page::write_pages(ids, |page| {
        gathered.extend_from_slice(page);
        if gathered.len() >= READ_BYTES {
            write(&gathered)?;
            gathered.clear();
        }
        Ok(())
    })?;
    write(&gathered)
}

/// An open file of ids. What it keeps in memory is 12 bytes a page, of 85 rows or so.
#[derive(Debug)]
pub(super) struct IdsFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// Where the pages of ids begin.
    index_end: u64,
    /// The first hash of each page of the index.
    first_hashes: Vec<u64>,
    /// The first row of each page of ids.
    first_rows: Vec<u32>,
}

impl IdsFile {
    /// Opens the file. Reads it once, to verify its checksum and to learn where its pages begin.
    pub(super) fn open(
        path: PathBuf,
        entry: &SegmentEntry,
        dimension: usize,
    ) -> Result<Self, StoreError> {
        let file = open_existing(&path)?;
        let header = read_header(
            &file,
            &path,
            Magic::Ids,
            entry.ids_len,
            entry.rows,
            dimension,
        )?;
        let mut opened = Self {
            file,
            path,
            len: entry.ids_len,
            index_end: HEADER_LEN as u64 + ids_page::index_len(entry.rows),
            first_hashes: Vec::new(),
            first_rows: Vec::new(),
        };
        if opened.index_end > opened.len {
            let expected = format!("an index of {} rows", entry.rows);
            let got = format!("{} bytes", opened.len);
            return Err(StoreError::damaged(&opened.path, expected, got));
        }
        opened.read_all(entry, &header)?;
        Ok(opened)
    }

    fn read_all(&mut self, entry: &SegmentEntry, header: &Header) -> Result<(), StoreError> {
        let mut whole = crc32fast::Hasher::new();
        whole.update(&header.encode(Magic::Ids));
        let mut buffer = vec![0; READ_BYTES.min(entry.ids_len as usize)];
        let (mut offset, mut number, mut rows) = (HEADER_LEN as u64, 0, 0);
        while offset < self.len {
            let is_index = offset < self.index_end;
            let end = if is_index { self.index_end } else { self.len };
            let len = end.saturating_sub(offset).min(buffer.len() as u64) as usize;
            // Whole pages, except for the last of its kind.
            let len = if offset + len as u64 == end {
                len
            } else {
                len - len % PAGE_LEN
            };
            let bytes = &mut buffer[..len];
            self.file
                .read_exact_at(bytes, offset)
                .or_while("read", &self.path)?;
            whole.update(bytes);
            for page in bytes.chunks(PAGE_LEN) {
                let content = check_page(&self.path, page, number)?;
                if is_index {
                    let first = IndexPage(content).entry(0);
                    self.first_hashes.extend(first.map(|(hash, _)| hash));
                } else {
                    self.first_rows.push(rows);
                    rows += IdPage(content).len() as u32;
                }
                number += 1;
            }
            offset += len as u64;
        }
        check_crc(&self.path, WHOLE_FILE, entry.ids_crc, whole)?;
        if rows != entry.rows {
            let expected = format!("ids of {} rows", entry.rows);
            return Err(StoreError::damaged(&self.path, expected, rows));
        }
        self.first_hashes.shrink_to_fit();
        self.first_rows.shrink_to_fit();
        Ok(())
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of memory that it takes while it is open.
    pub(super) fn memory_bytes(&self) -> u64 {
        (size_of_val(self.first_hashes.as_slice()) + size_of_val(self.first_rows.as_slice())) as u64
    }
}

fn check_page<'a>(path: &Path, page: &'a [u8], number: u32) -> Result<&'a [u8], StoreError> {
    ids_page::content(page, number).map_err(|(stored, found)| {
        let expected = format!("page {number} with crc32 {stored:08x}");
        StoreError::damaged(path, expected, format!("{found:08x}"))
    })
}

/// Looks ids and rows up. It keeps the pages it read last, so that neighbours cost one read.
pub(crate) struct IdsReader<'a> {
    file: &'a IdsFile,
    index: HeldPage,
    ids: HeldPage,
}

/// The page of one kind that was read last.
struct HeldPage {
    number: Option<u32>,
    len: usize,
    bytes: [u8; PAGE_LEN],
}

impl HeldPage {
    fn new() -> Self {
        Self {
            number: None,
            len: 0,
            bytes: [0; PAGE_LEN],
        }
    }

    /// The content of a page that begins at `offset` and ends before `end`.
    fn read(
        &mut self,
        file: &IdsFile,
        number: u32,
        offset: u64,
        end: u64,
    ) -> Result<&[u8], StoreError> {
        if self.number != Some(number) {
            self.number = None;
            let len = end.saturating_sub(offset).min(PAGE_LEN as u64) as usize;
            file.file
                .read_exact_at(&mut self.bytes[..len], offset)
                .or_while("read", &file.path)?;
            self.len = check_page(&file.path, &self.bytes[..len], number)?.len();
            self.number = Some(number);
        }
        Ok(&self.bytes[..self.len])
    }
}

impl<'a> IdsReader<'a> {
    pub(super) fn new(file: &'a IdsFile) -> Self {
        Self {
            file,
            index: HeldPage::new(),
            ids: HeldPage::new(),
        }
    }

    /// The id of a row.
    pub(crate) fn id(&mut self, row: u32) -> Result<&str, StoreError> {
        let file = self.file;
        let none = || {
            let expected = format!("an id of row {row}");
            StoreError::damaged(&file.path, expected, "none")
        };
        let after = file.first_rows.partition_point(|&first| first <= row);
        let page = after.checked_sub(1).ok_or_else(none)?;
        let number = (file.first_hashes.len() + page) as u32;
        let offset = file.index_end + (page * PAGE_LEN) as u64;
        let content = self.ids.read(file, number, offset, file.len)?;
        let first = file.first_rows.get(page).copied().unwrap_or(row);
        IdPage(content).id((row - first) as usize).ok_or_else(none)
    }

    /// The row with this id, live or not.
    pub(crate) fn row_of(&mut self, hash: u64, id: &str) -> Result<Option<u32>, StoreError> {
        let file = self.file;
        // The last page that begins below the hash, and those that begin with it.
        let below = file.first_hashes.partition_point(|&first| first < hash);
        let mut page = below.saturating_sub(1);
        while file
            .first_hashes
            .get(page)
            .is_some_and(|&first| first <= hash)
        {
            let mut at = self.first_at_or_above(page, hash)?;
            while let Some(row) = self.row_at(page, at, hash)? {
                if self.id(row)? == id {
                    return Ok(Some(row));
                }
                at += 1;
            }
            page += 1;
        }
        Ok(None)
    }

    fn index_page(&mut self, page: usize) -> Result<IndexPage<'_>, StoreError> {
        let file = self.file;
        let offset = (HEADER_LEN + page * PAGE_LEN) as u64;
        let content = self.index.read(file, page as u32, offset, file.index_end)?;
        Ok(IndexPage(content))
    }

    fn first_at_or_above(&mut self, page: usize, hash: u64) -> Result<usize, StoreError> {
        let page = self.index_page(page)?;
        let hash_at = |at| page.entry(at).map_or(u64::MAX, |(hash, _)| hash);
        Ok(lower_bound(page.len(), hash, hash_at))
    }

    /// The row of an entry of the index, if it has this hash.
    fn row_at(&mut self, page: usize, at: usize, hash: u64) -> Result<Option<u32>, StoreError> {
        let entry = self.index_page(page)?.entry(at);
        Ok(entry
            .filter(|(found, _)| *found == hash)
            .map(|(_, row)| row))
    }
}
