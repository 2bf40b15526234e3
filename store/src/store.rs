//! What a store must be able to do.

use std::convert::Infallible;

use bytes::Bytes;
use haul_core::{
    Checksum, Depth, Entry, FilePath, Mode, Opened, StoreError, StoreErrorKind, Timestamp, Version,
};

use crate::PassThrough;
use crate::error::misuse;

/// A place where the files of a server are kept: a directory here, an object store elsewhere.
///
/// All sessions share a store, from many threads, and every call may block. [`FilePath`] has checked the names already;
/// the store decides what is hidden and what a name may reach. It gives nothing that is outside of it.
///
/// # Order and durability
/// The caller decides the order of the steps: all of a file's writes, then [`sync`](Self::sync), then
/// [`Staged::publish`], then [`sync_directories`](Self::sync_directories). A caller that is not durable leaves the two
/// syncs out. The store must not return from a step before it is done:
///
/// - Until `publish`, nobody sees the file. `publish` is atomic: readers find the old file or the whole new one, and
///   with [`Mode::Create`] it never replaces another file, whoever else creates one at the same moment.
/// - After `sync`, the file's bytes, size and times survive a power cut; after `sync_directories`, so does its name.
/// - A file is gone without a trace if it is dropped before `publish`, and from the moment when `sync` or `publish`
///   fails.
/// - A source gives bytes that the file had at one moment, or [`Source::finish`] fails.
/// - [`delete`](Self::delete), [`make_directory`](Self::make_directory) and [`rename`](Self::rename) are done and
///   visible when they return, each whole or not at all; after `sync_directories` they survive a power cut.
///
/// # Versions
/// A store that knows the [`Version`]s of its files gives them by [`Source::opened`] and [`Staged::publish`], and
/// compares them where it is given one. Two versions of a file that are equal have the same content; two that differ
/// may have it too. No session of the same store changes the file between the comparison and what is done then.
///
/// # Errors
/// Each method names the kinds of errors that it may give. Any of them may give
/// [`Io`](haul_core::StoreErrorKind::Io) for a storage that fails, and for a call that does not fit what came before. A
/// lack that ends by itself, such as one of descriptors, is marked by [`StoreError::passing`]. The error's text is for
/// this side's log and may have this side's own names in it.
pub trait Store: Send + Sync + 'static {
    /// An open listing.
    type Listing: Listing;
    /// A file open for reading.
    type Source: Source;
    /// A file being stored.
    type Staged: Staged;
    /// A change of names; [`Infallible`] where names do not change but by publishing.
    type Change: Change;

    /// Begins to list `path`, or the whole store for `None`, `depth` levels deep. A file is listed as its single entry.
    /// With `omitted`, names that are left out are listed as [`Entry::Omitted`].
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound), also for what is hidden;
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) for what is neither a directory nor a regular file, or if a
    /// component of the path is no directory; [`Denied`](haul_core::StoreErrorKind::Denied);
    /// [`BadName`](haul_core::StoreErrorKind::BadName) for a name that the storage cannot have;
    /// [`Io`](haul_core::StoreErrorKind::Io).
    fn list(
        &self,
        path: Option<&FilePath>,
        depth: Depth,
        omitted: bool,
    ) -> Result<Self::Listing, StoreError>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`IsDirectory`](haul_core::StoreErrorKind::IsDirectory); otherwise as for [`list`](Self::list).
    fn open(&self, path: &FilePath) -> Result<Self::Source, StoreError>;

    /// Begins a file that nobody sees until it is published. It reports early what would keep the file from being
    /// published, as far as it can, so that nobody sends bytes in vain; [`Staged::publish`] decides.
    ///
    /// # Errors
    /// [`Exists`](haul_core::StoreErrorKind::Exists) if the name is taken and the mode is [`Mode::Create`];
    /// [`OtherSpelling`](haul_core::StoreErrorKind::OtherSpelling) if the storage takes the name for that of a file
    /// that is spelled otherwise; [`IsDirectory`](haul_core::StoreErrorKind::IsDirectory);
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) if the name is that of something else, or a component of the
    /// path is no directory; [`NotFound`](haul_core::StoreErrorKind::NotFound) if the path is hidden or leads nowhere;
    /// [`Denied`](haul_core::StoreErrorKind::Denied); [`ReadOnly`](haul_core::StoreErrorKind::ReadOnly);
    /// [`BadName`](haul_core::StoreErrorKind::BadName); [`TooLarge`](haul_core::StoreErrorKind::TooLarge) and
    /// [`NoSpace`](haul_core::StoreErrorKind::NoSpace), also if only the announced size does not fit;
    /// [`Io`](haul_core::StoreErrorKind::Io).
    fn create(&self, file: &NewFile) -> Result<Self::Staged, StoreError>;

    /// As [`create`](Self::create), for a session that has other files staged. `None` means that there is no room
    /// beside them, and that the session has to commit them first. By default there never is.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    fn create_another(&self, file: &NewFile) -> Result<Option<Self::Staged>, StoreError> {
        let _ = file;
        Ok(None)
    }

    /// Does what [`Staged::sync`] does, for all of `files` together: staged files of one session, at least one, in no
    /// particular order.
    ///
    /// # Errors
    /// As for [`Staged::sync`]. The caller drops all of `files` after an error, since it cannot tell whose bytes are
    /// lost.
    fn sync(&self, files: &mut [Self::Staged]) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync)
    }

    /// Copies 1 to `length` bytes at `offset` from `source` to the end of `staged`, or none at the end of the source;
    /// `offset` is also the number of bytes written to `staged` before. Returns how many were copied, and the checksum
    /// that they have in the copy. What a piece costs does not grow with `length`, so a caller may ask for all that is
    /// left. By default the bytes are read and written.
    ///
    /// # Errors
    /// As for [`Source::read`] and [`Staged::write`].
    fn copy(
        &self,
        source: &mut Self::Source,
        staged: &mut Self::Staged,
        offset: u64,
        length: usize,
    ) -> Result<(usize, Checksum), StoreError> {
        read_and_write(source, staged, offset, length)
    }

    /// Deletes a file or an empty directory. A link is deleted itself. With `if_match` there must be a file of that
    /// version; that of a link is the version of the file that it leads to. By default no store can do this.
    ///
    /// # Errors
    /// Nothing is changed after an error. [`NotFound`](haul_core::StoreErrorKind::NotFound), also for what is hidden;
    /// [`NotEmpty`](haul_core::StoreErrorKind::NotEmpty) for a directory that has anything in it, listed or not;
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) for what is neither a file, a link nor a directory, or if a
    /// component of the path is no directory; [`Changed`](haul_core::StoreErrorKind::Changed);
    /// [`Denied`](haul_core::StoreErrorKind::Denied), also for a mount point;
    /// [`ReadOnly`](haul_core::StoreErrorKind::ReadOnly); [`BadName`](haul_core::StoreErrorKind::BadName);
    /// [`NotSupported`](haul_core::StoreErrorKind::NotSupported); [`Io`](haul_core::StoreErrorKind::Io).
    fn delete(
        &self,
        path: &FilePath,
        if_match: Option<&Version>,
    ) -> Result<Self::Change, StoreError> {
        let _ = (path, if_match);
        Err(not_supported("delete"))
    }

    /// Makes a directory, and the parents that it lacks. By default no store can do this.
    ///
    /// # Errors
    /// Nothing is changed after an error. [`Exists`](haul_core::StoreErrorKind::Exists), whatever has the name;
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) if a component of the path is no directory;
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound) if the path is hidden or leads nowhere;
    /// [`Denied`](haul_core::StoreErrorKind::Denied); [`ReadOnly`](haul_core::StoreErrorKind::ReadOnly);
    /// [`BadName`](haul_core::StoreErrorKind::BadName); [`NoSpace`](haul_core::StoreErrorKind::NoSpace);
    /// [`NotSupported`](haul_core::StoreErrorKind::NotSupported); [`Io`](haul_core::StoreErrorKind::Io).
    fn make_directory(&self, path: &FilePath) -> Result<Self::Change, StoreError> {
        let _ = path;
        Err(not_supported("make directories"))
    }

    /// Gives a file or a directory another name, atomically, and makes the parents that the new name lacks. A link is
    /// renamed itself. With [`Mode::Replace`] a file may take the place of a file; nothing takes the place of a
    /// directory. A rename to the present name changes nothing. `if_match` is as for [`delete`](Self::delete). By
    /// default no store can do this.
    ///
    /// # Errors
    /// Nothing is changed after an error. Those of [`delete`](Self::delete) about `from`, but for
    /// [`NotEmpty`](haul_core::StoreErrorKind::NotEmpty); those of [`create`](Self::create) about `to`, where
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) is also a directory that would take a file's place;
    /// [`IntoItself`](haul_core::StoreErrorKind::IntoItself);
    /// [`NotSupported`](haul_core::StoreErrorKind::NotSupported) if the storage cannot do it in one step.
    fn rename(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: Mode,
        if_match: Option<&Version>,
    ) -> Result<Self::Change, StoreError> {
        let _ = (from, to, mode, if_match);
        Err(not_supported("rename"))
    }

    /// Does what [`Staged::sync_directory`] and [`Change::sync`] do, for all of `files` and `changes` together:
    /// published files and changes of one session, at least one in all, in no particular order.
    ///
    /// # Errors
    /// As for [`Staged::sync_directory`]. All of the names are uncertain after an error.
    fn sync_directories(
        &self,
        files: &mut [Self::Staged],
        changes: &mut [Self::Change],
    ) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync_directory)?;
        changes.iter_mut().try_for_each(Change::sync)
    }
}

/// The most bytes that [`read_and_write`] copies at once.
const COPIED_AT_ONCE: usize = 256 << 10;

/// Copies a piece by way of this process.
pub(crate) fn read_and_write(
    source: &mut impl Source,
    staged: &mut impl Staged,
    offset: u64,
    length: usize,
) -> Result<(usize, Checksum), StoreError> {
    let bytes = source.read(offset, length.min(COPIED_AT_ONCE))?;
    if !bytes.is_empty() {
        staged.write(offset, &bytes)?;
    }
    Ok((bytes.len(), Checksum::of(&bytes)))
}

fn not_supported(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::NotSupported, format!("this store cannot {what}"))
}

/// A file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name.
    pub path: FilePath,
    /// Whether it may replace a file of that name.
    pub mode: Mode,
    /// The version of the file that it must replace; any or none if this is `None`.
    pub if_match: Option<Version>,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// The modification time that it shall have.
    pub modified: Option<Timestamp>,
    /// Whether it may be executed: by those to whom the umask leaves that right.
    pub executable: bool,
    /// Whether it will be synced before it is published.
    pub durable: bool,
}

/// An open listing. Dropping it closes it.
pub trait Listing: Send {
    /// The next entries, at most `max` of them; none at the end. A directory comes before what is in it. What is added
    /// or removed meanwhile may be listed or not.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound) or [`NotAFile`](haul_core::StoreErrorKind::NotAFile) if what
    /// is listed was removed, replaced or moved out of the store meanwhile;
    /// [`Denied`](haul_core::StoreErrorKind::Denied); [`Io`](haul_core::StoreErrorKind::Io). A directory below that
    /// cannot be read is no error but an entry that says so. The listing is of no more use after an error.
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError>;

    /// The number of names left out so far because they break the rules of names.
    fn skipped(&self) -> u64;
}

/// A file open for reading. Dropping it closes it.
pub trait Source: Send {
    /// What was known when it was opened.
    fn opened(&self) -> Opened;

    /// Reads 1 to `length` bytes at `offset`; none only at the end of the file. A source without a known size is read
    /// from front to back.
    ///
    /// # Errors
    /// [`Changed`](haul_core::StoreErrorKind::Changed) if the file has fewer bytes than when it was opened;
    /// [`Io`](haul_core::StoreErrorKind::Io).
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes, StoreError>;

    /// Moves 1 to `length` bytes at `offset` into [`pass_through`](Self::pass_through), which is empty, for the caller
    /// to send. They stay as they are even if the file changes before they are sent. Returns their checksum if
    /// `checksum` is set. `None` means that the caller has to [`read`](Self::read) them, because pass-through is
    /// impossible or not worth it. This is the default.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn prepare_send(
        &mut self,
        offset: u64,
        length: usize,
        checksum: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        let _ = (offset, length, checksum);
        Ok(None)
    }

    /// Sends the bytes that [`prepare_send`](Self::prepare_send) moved here; `None` if it never moved any.
    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        None
    }

    /// Verifies that the bytes of a range, which may be all of the file, are those that were sent; `checksum` is that
    /// of what was sent. Nothing else is asked of the source afterwards.
    ///
    /// # Errors
    /// [`Changed`](haul_core::StoreErrorKind::Changed) if they are not, or may not be;
    /// [`Io`](haul_core::StoreErrorKind::Io).
    fn finish(&mut self, offset: u64, length: u64, checksum: Checksum) -> Result<(), StoreError>;
}

/// Bytes of a source that are ready to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// The number of bytes, at least 1.
    pub length: usize,
    /// Their checksum, if the caller needs it.
    pub checksum: Option<Checksum>,
}

/// A file being stored. Dropping it before it is published removes every trace of it; dropping it afterwards closes it.
pub trait Staged: Send {
    /// Appends all of `data`; `offset` is the number of bytes written before.
    ///
    /// # Errors
    /// [`NoSpace`](haul_core::StoreErrorKind::NoSpace), [`TooLarge`](haul_core::StoreErrorKind::TooLarge),
    /// [`Io`](haul_core::StoreErrorKind::Io). The caller drops the file after an error.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError>;

    /// Receives bytes from the socket for [`write_received`](Self::write_received); `None`, the default, if the caller
    /// has to use [`write`](Self::write).
    fn pass_through(&mut self) -> Option<&mut dyn PassThrough> {
        None
    }

    /// Appends the `length` bytes that [`pass_through`](Self::pass_through) received, which are all that it contains;
    /// `offset` is the number of bytes written before. Returns the checksum of these bytes as they are in the file.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn write_received(&mut self, offset: u64, length: usize) -> Result<Checksum, StoreError> {
        let _ = (offset, length);
        Err(misuse("nothing was received"))
    }

    /// Fsyncs the bytes, size and times of the file. A failure is final: [`publish`](Self::publish) must fail after it,
    /// even if another sync would succeed.
    ///
    /// # Errors
    /// [`NoSpace`](haul_core::StoreErrorKind::NoSpace) and [`TooLarge`](haul_core::StoreErrorKind::TooLarge), where the
    /// storage reports late that the bytes do not fit; [`Io`](haul_core::StoreErrorKind::Io).
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Gives the file its name, atomically. `checksum` is that of the whole file; a store may remember it. If the file
    /// is not synced, this writes what is still to be written, but does not wait for the storage. Returns the version
    /// that the file has now, if the store knows versions.
    ///
    /// # Errors
    /// As for [`Store::create`], decided anew; and as for [`sync`](Self::sync). After an error the name is as it was
    /// before, and the caller drops the file.
    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError>;

    /// Fsyncs the name of the file, and those of the directories that were made for it, after
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    /// As for [`sync`](Self::sync). The file stays published after an error, but may not survive a power cut.
    fn sync_directory(&mut self) -> Result<(), StoreError>;
}

/// A change of names that was made and can be seen. Dropping it undoes nothing.
pub trait Change: Send {
    /// Fsyncs the change.
    ///
    /// # Errors
    /// As for [`Staged::sync_directory`]: the change stays made after an error, but may not survive a power cut.
    fn sync(&mut self) -> Result<(), StoreError>;
}

impl Change for Infallible {
    fn sync(&mut self) -> Result<(), StoreError> {
        match *self {}
    }
}

/// Where a client's download goes. It is begun when the server begins to send.
pub trait Target: Send {
    /// Begins the staged file that will become the target. It may be called again after the file was dropped, for a
    /// download that begins anew.
    ///
    /// # Errors
    /// As for [`Store::create`], about this side's own name, whatever `file` is called;
    /// [`Io`](haul_core::StoreErrorKind::Io) for a target that takes only one download, such as a stream.
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError>;
}
