//! The files under the raft log: those of the operating system, or others with the same promises.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use raft_engine::env::{DefaultFileSystem, FileSystem, Handle, Permission, WriteExt};

/// A disk as the raft log uses it. The names of its files are those of the directory that the log is
/// opened in; what they hold is on stable storage once [`LogFile::sync`] has returned, not before.
pub trait LogDisk: Send + Sync + 'static {
    /// Creates a file, or opens one that is there.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
    /// Removes a file.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn delete(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// A file of a [`LogDisk`].
pub trait LogFile: Send + Sync {
    /// Reads what there is at an offset, up to the buffer's length; says how many bytes.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn read(&self, offset: usize, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes at an offset; says how many bytes.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file off.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn truncate(&self, length: usize) -> io::Result<()>;
    /// Bytes in the file.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn length(&self) -> io::Result<usize>;
    /// Puts all that was written on stable storage.
    ///
    /// # Errors
    ///
    /// What the disk refuses.
    fn sync(&self) -> io::Result<()>;
}

/// The engine's own way to files, or one that it was given.
#[derive(Clone)]
pub(super) enum Files {
    Own(Arc<DefaultFileSystem>),
    Given(Arc<dyn LogDisk>),
}

type OwnHandle = <DefaultFileSystem as FileSystem>::Handle;
type OwnReader = <DefaultFileSystem as FileSystem>::Reader;

pub(super) enum FileHandle {
    Own(Arc<OwnHandle>),
    Given(Arc<dyn LogFile>),
}

/// Reads or writes from a position on.
pub(super) enum Cursor {
    Own(OwnReader),
    Given {
        file: Arc<dyn LogFile>,
        offset: usize,
    },
}

impl Default for Files {
    fn default() -> Self {
        Self::Own(Arc::new(DefaultFileSystem))
    }
}

impl FileSystem for Files {
    type Handle = FileHandle;
    type Reader = Cursor;
    type Writer = Cursor;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<FileHandle> {
        Ok(match self {
            Self::Own(own) => FileHandle::Own(Arc::new(own.create(path)?)),
            Self::Given(disk) => FileHandle::Given(disk.create(path.as_ref())?),
        })
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<FileHandle> {
        Ok(match self {
            Self::Own(own) => FileHandle::Own(Arc::new(own.open(path, permission)?)),
            Self::Given(disk) => FileHandle::Given(disk.open(path.as_ref())?),
        })
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        match self {
            Self::Own(own) => own.delete(path),
            Self::Given(disk) => disk.delete(path.as_ref()),
        }
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        match self {
            Self::Own(own) => own.rename(from, to),
            Self::Given(disk) => disk.rename(from.as_ref(), to.as_ref()),
        }
    }

    fn new_reader(&self, handle: Arc<FileHandle>) -> io::Result<Cursor> {
        Ok(match (self, handle.as_ref()) {
            (Self::Own(own), FileHandle::Own(handle)) => {
                Cursor::Own(own.new_reader(handle.clone())?)
            }
            (_, FileHandle::Given(file)) => Cursor::Given {
                file: file.clone(),
                offset: 0,
            },
            (Self::Given(_), FileHandle::Own(_)) => return Err(of_another_disk()),
        })
    }

    fn new_writer(&self, handle: Arc<FileHandle>) -> io::Result<Cursor> {
        Ok(match (self, handle.as_ref()) {
            (Self::Own(own), FileHandle::Own(handle)) => {
                Cursor::Own(own.new_writer(handle.clone())?)
            }
            _ => return self.new_reader(handle),
        })
    }
}

fn of_another_disk() -> io::Error {
    io::Error::other("the file is of another disk")
}

impl Handle for FileHandle {
    fn truncate(&self, offset: usize) -> io::Result<()> {
        match self {
            Self::Own(own) => own.truncate(offset),
            Self::Given(file) => file.truncate(offset),
        }
    }

    fn file_size(&self) -> io::Result<usize> {
        match self {
            Self::Own(own) => own.file_size(),
            Self::Given(file) => file.length(),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self {
            Self::Own(own) => own.sync(),
            Self::Given(file) => file.sync(),
        }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Own(own) => own.read(buffer),
            Self::Given { file, offset } => {
                let read = file.read(*offset, buffer)?;
                *offset += read;
                Ok(read)
            }
        }
    }
}

impl Write for Cursor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own(own) => own.write(bytes),
            Self::Given { file, offset } => {
                let written = file.write(*offset, bytes)?;
                *offset += written;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Own(own) => own.flush(),
            Self::Given { .. } => Ok(()),
        }
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Own(own) => own.seek(to),
            Self::Given { file, offset } => {
                let (from, by) = match to {
                    SeekFrom::Start(start) => (0, start as i64),
                    SeekFrom::Current(by) => (*offset, by),
                    SeekFrom::End(by) => (file.length()?, by),
                };
                *offset = from
                    .checked_add_signed(by as isize)
                    .ok_or_else(|| io::Error::other("a position before the file's begin"))?;
                Ok(*offset as u64)
            }
        }
    }
}

impl WriteExt for Cursor {
    fn truncate(&mut self, length: usize) -> io::Result<()> {
        match self {
            Self::Own(own) => own.truncate(length),
            Self::Given { file, offset } => {
                file.truncate(length)?;
                *offset = length;
                Ok(())
            }
        }
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        match self {
            Self::Own(own) => own.allocate(offset, size),
            // Room ahead is a matter of speed.
            Self::Given { .. } => Ok(()),
        }
    }
}
