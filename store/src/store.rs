//! What a store must be able to do.

use bytes::Bytes;
use haul_core::{Checksum, Depth, Entry, FilePath, Mode, Opened, StoreError, Timestamp};

use crate::Held;
use crate::error::misuse;

/// A place where the files of a server are kept: a directory here, an object store elsewhere.
///
/// Every call may block. Implementations are shared by all sessions. Names are checked by [`FilePath`] already; what is hidden, and what a name may reach, is the
/// store's to decide.
pub trait Store: Send + Sync + 'static {
    /// An open listing.
    type Listing: Listing;
    /// A file open for reading.
    type Source: Source;
    /// A file being stored.
    type Staged: Staged;

    /// Begins to list `path`, or the whole store for `None`.
    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<Self::Listing, StoreError>;

    /// Opens a regular file.
    fn open(&self, path: &FilePath) -> Result<Self::Source, StoreError>;

    /// Begins a file that is not visible until it is published.
    fn create(&self, file: &NewFile) -> Result<Self::Staged, StoreError>;

    /// As [`create`](Self::create), for a session that has other files staged. `None` means that there is no room beside them, so that they are to be committed first; without
    /// an implementation there never is.
    fn create_another(&self, file: &NewFile) -> Result<Option<Self::Staged>, StoreError> {
        let _ = file;
        Ok(None)
    }

    /// Does what [`Staged::sync`] does, for all of `files` together. A failure is final for each of them.
    fn sync(&self, files: &mut [Self::Staged]) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync)
    }

    /// Does what [`Staged::sync_directory`] does, for all of `files` together.
    fn sync_directories(&self, files: &mut [Self::Staged]) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync_directory)
    }
}

/// A file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name.
    pub path: FilePath,
    /// Whether it may replace a file of that name.
    pub mode: Mode,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// The modification time that it shall have.
    pub modified: Option<Timestamp>,
    /// Whether it may be executed: by those to whom the umask leaves that right.
    pub executable: bool,
    /// Whether its bytes will be waited for to be on stable storage.
    pub durable: bool,
}

/// An open listing. Dropping it closes it.
pub trait Listing: Send {
    /// The next entries, at most `max` of them; none at the end.
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError>;

    /// Names left out so far because they break the rules of names.
    fn skipped(&self) -> u64;
}

/// A file open for reading. Dropping it closes it.
pub trait Source: Send {
    /// What was known when it was opened.
    fn opened(&self) -> Opened;

    /// Reads 1 to `length` bytes at `offset`; none only at the end of the file. A source without a known size is read from front to back.
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError>;

    /// Keeps 1 to `length` bytes at `offset` ready in [`held`](Self::held), with their checksum if it is needed; `None` if they are to be read, because that is not possible or not
    /// worth it.
    fn hold(
        &mut self,
        _offset: u64,
        _length: usize,
        _checksum: bool,
    ) -> Result<Option<Kept>, StoreError> {
        Ok(None)
    }

    /// What [`hold`](Self::hold) keeps bytes in.
    fn held(&mut self) -> Option<&mut Held> {
        None
    }

    /// Makes sure that the bytes of a range, which may be all of the file, are those that were sent; `checksum` is that of what was sent.
    fn finish(&mut self, offset: u64, length: u64, checksum: Checksum) -> Result<(), StoreError>;
}

/// Bytes of a source that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How many, at least 1.
    pub length: usize,
    /// Their checksum, if it was needed.
    pub checksum: Option<Checksum>,
}

/// A file being stored. Dropping it before it is published removes every trace of it.
pub trait Staged: Send {
    /// Appends all of `data`; `offset` is what was written before.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError>;

    /// What bytes of the socket are held in for [`write_held`](Self::write_held); `None` if they are to come by [`write`](Self::write).
    fn held(&mut self) -> Option<&mut Held> {
        None
    }

    /// Appends the `length` bytes that are held, which is all of them; answers the checksum of what is in the file then.
    fn write_held(&mut self, _offset: u64, _length: usize) -> Result<Checksum, StoreError> {
        Err(misuse("nothing is held"))
    }

    /// Brings the bytes to stable storage. A failure is final.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Gives the file its name, atomically. `checksum` is that of the whole file.
    fn publish(&mut self, checksum: Checksum) -> Result<(), StoreError>;

    /// Brings the name to stable storage, after [`publish`](Self::publish).
    fn sync_directory(&mut self) -> Result<(), StoreError>;
}

/// Where a client's download goes. It is begun when the server begins to send.
pub trait Target: Send {
    /// Begins the staged file that will become the target.
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError>;
}
