//! The traits that a store implements.

use std::convert::Infallible;

use bytes::Bytes;
use haul_core::account::{Grant, Quota};
use haul_core::{
    Checksum, Depth, Entry, FilePath, Mode, NewFile, Opened, StoreError, StoreErrorKind, Version,
};

use crate::PassThrough;
use crate::error::misuse;

/// A place where the files of a server are kept: a directory here, an object store elsewhere.
///
/// All sessions share a store, from many threads, and every call may block. [`FilePath`] has checked the names already.
/// The store decides which names are hidden and which files a name may reach. It never gives access to anything outside
/// of itself.
///
/// # Order and durability
/// The caller decides the order of the steps: all writes of a file, then [`sync`](Self::sync), then
/// [`Staged::publish`], then [`sync_directories`](Self::sync_directories). A caller that is not durable leaves out both
/// syncs. The store must not return from a step before it is complete:
///
/// - Until `publish`, nobody sees the file. `publish` is atomic: readers find the old file or the complete new one, and
///   with [`Mode::Create`] it never replaces another file, even if somebody else creates one at the same moment.
/// - After `sync`, the file's bytes, size and times survive a power cut; after `sync_directories`, so does its name.
/// - A file disappears without a trace if it is dropped before `publish`, and as soon as `sync` or `publish` fails.
/// - A source returns bytes that the file had at one moment, or [`Source::finish`] fails.
/// - [`delete`](Self::delete), [`make_directory`](Self::make_directory) and [`rename`](Self::rename) are atomic and
///   visible when they return; after `sync_directories` they survive a power cut.
///
/// # Versions
/// A store that knows the [`Version`]s of its files returns them from [`Source::opened`] and [`Staged::publish`], and
/// compares them if the caller passes one. Equal versions of a file have equal content; different ones may have equal
/// content too. No session of the same store changes the file between the comparison and the change.
///
/// # Errors
/// Each method lists the kinds of errors that it may return. Any method may return
/// [`Io`](haul_core::StoreErrorKind::Io) for a storage that fails, and for a call that does not fit the calls before
/// it. [`StoreError::passing`] marks a shortage that ends by itself, such as one of descriptors. The text of an error
/// is for this side's log and may contain local names.
pub trait Store: Send + Sync + 'static {
    /// An open listing.
    type Listing: Listing;
    /// A file open for reading.
    type Source: Source;
    /// A file being stored.
    type Staged: Staged;
    /// A change of names; [`Infallible`] where only publishing changes names.
    type Change: Change;

    /// What the user of this store may do, and their quota; nothing, the default, for a store without users.
    ///
    /// # Errors
    /// [`Revoked`](haul_core::StoreErrorKind::Revoked) if the account is gone; [`Io`](haul_core::StoreErrorKind::Io).
    fn grants(&self) -> Result<(Vec<Grant>, Option<Quota>), StoreError> {
        Ok((Vec::new(), None))
    }

    /// Starts a listing of `path`, or of the whole store for `None`, `depth` levels deep. A file is listed as a single
    /// entry. With `omitted`, omitted names are listed as [`Entry::Omitted`].
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

    /// Starts a staged file, which nobody sees until it is published. It reports errors of publication early, as far as
    /// it can, so that nobody sends bytes in vain; [`Staged::publish`] decides.
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

    /// As [`create`](Self::create), for a session that already has staged files. `None`, the default, means that there
    /// is no room for another one and that the session has to commit the others first.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    fn create_another(&self, file: &NewFile) -> Result<Option<Self::Staged>, StoreError> {
        let _ = file;
        Ok(None)
    }

    /// Does what [`Staged::sync`] does for all of `files`, at least one, all staged files of one session, in any order.
    ///
    /// # Errors
    /// As for [`Staged::sync`]. The caller drops all of `files` after an error, because it cannot know whose bytes are
    /// lost.
    fn sync(&self, files: &mut [Self::Staged]) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync)
    }

    /// Copies 1 to `length` bytes at `offset` from `source` to the end of `staged`, or none at the end of the source;
    /// `offset` is also the number of bytes written to `staged` before. Returns the number of bytes copied and their
    /// checksum in the copy. The cost of a call does not grow with `length`, so a caller may ask for all that is left.
    /// The default reads and writes the bytes.
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

    /// Deletes a file or an empty directory. A link is deleted itself. With `if_match` the path must name a file of
    /// that version; the version of a link is that of its target. The default is not supported.
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

    /// Creates a directory and its missing parents. The default is not supported.
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

    /// Renames a file or a directory, atomically, and creates the missing parents of the new name. A link is renamed
    /// itself. With [`Mode::Replace`] a file may replace a file; nothing replaces a directory. A rename to the present
    /// name changes nothing. `if_match` is as for [`delete`](Self::delete). The default is not supported.
    ///
    /// # Errors
    /// Nothing is changed after an error. Those of [`delete`](Self::delete) about `from`, except
    /// [`NotEmpty`](haul_core::StoreErrorKind::NotEmpty); those of [`create`](Self::create) about `to`, where
    /// [`NotAFile`](haul_core::StoreErrorKind::NotAFile) also means a directory that would replace a file;
    /// [`IntoItself`](haul_core::StoreErrorKind::IntoItself); [`NotSupported`](haul_core::StoreErrorKind::NotSupported)
    /// if the storage cannot do it in one step.
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

    /// Does what [`Staged::sync_directory`] and [`Change::sync`] do for all of `files` and `changes`: published files
    /// and changes of one session, at least one in all, in any order.
    ///
    /// # Errors
    /// As for [`Staged::sync_directory`]. After an error no name is certain to survive a power cut.
    fn sync_directories(
        &self,
        files: &mut [Self::Staged],
        changes: &mut [Self::Change],
    ) -> Result<(), StoreError> {
        files.iter_mut().try_for_each(Staged::sync_directory)?;
        changes.iter_mut().try_for_each(Change::sync)
    }
}

/// The maximum number of bytes that [`read_and_write`] copies at once.
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

/// An open listing. Dropping it closes it.
pub trait Listing: Send {
    /// Returns the next entries, at most `max`; none at the end. A directory comes before its content. Names that are
    /// added or removed meanwhile may be listed or not.
    ///
    /// # Errors
    /// [`NotFound`](haul_core::StoreErrorKind::NotFound) or [`NotAFile`](haul_core::StoreErrorKind::NotAFile) if the
    /// listed directory was removed, replaced or moved out of the store; [`Denied`](haul_core::StoreErrorKind::Denied);
    /// [`Io`](haul_core::StoreErrorKind::Io). An unreadable directory further down is not an error but an entry that
    /// says so. After an error the listing cannot be used any more.
    fn next(&mut self, max: usize) -> Result<Vec<Entry>, StoreError>;

    /// The number of names omitted so far because they break the rules of names.
    fn skipped(&self) -> u64;
}

/// A file open for reading. Dropping it closes it.
pub trait Source: Send {
    /// What was known about the file when it was opened.
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

    /// Checks that the bytes of a range, which may be the whole file, are those that were sent; `checksum` is that of
    /// the sent bytes. The caller does not use the source afterwards.
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

/// A file that is being stored. Dropping it before it is published removes every trace of it; dropping it afterwards
/// closes it.
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
    /// is not synced, this writes the remaining bytes but does not wait for the storage. Returns the version that the
    /// file has now, if the store knows versions.
    ///
    /// # Errors
    /// As for [`Store::create`], checked again; and as for [`sync`](Self::sync). After an error the name is as it was
    /// before, and the caller drops the file.
    fn publish(&mut self, checksum: Checksum) -> Result<Option<Version>, StoreError>;

    /// Fsyncs the name of the file and those of the directories created for it. Call this after
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    /// As for [`sync`](Self::sync). The file stays published after an error, but may not survive a power cut.
    fn sync_directory(&mut self) -> Result<(), StoreError>;
}

/// A change of names, which is made and visible. Dropping it does not undo it.
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

/// Where a client's download is written. The download starts when the server starts to send.
pub trait Target: Send {
    /// Starts the staged file that will become the target. The caller may drop that file and call this again, for a
    /// download that starts again.
    ///
    /// # Errors
    /// As for [`Store::create`], about this side's own name, whatever name `file` has;
    /// [`Io`](haul_core::StoreErrorKind::Io) for a target that takes only one download, such as a stream.
    fn create(&mut self, file: &NewFile) -> Result<Box<dyn Staged>, StoreError>;
}
