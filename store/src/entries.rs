//! Reads the names in a directory.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, RawDir, SeekFrom, seek};
use rustix::io::Errno;

/// The number of bytes of names to request at once. Some FUSE servers (such as lowntfs-3g) lose names when the kernel
/// has to truncate their reply. The kernel requests at least a page from them and at most this, so it never truncates.
/// `rustix::fs::Dir` starts with less than a page.
const PIECE: usize = 8 << 10;

/// A directory that is being read.
#[derive(Debug)]
pub(crate) struct Entries {
    directory: OwnedFd,
    /// Names that were read and not returned yet.
    read: VecDeque<DirEntry>,
}

/// A name in a directory.
#[derive(Debug)]
pub(crate) struct DirEntry {
    name: CString,
    /// The type that the file system reports with the name, which may be unknown.
    pub(crate) file_type: FileType,
    /// The position of the next name, in the file system's own count.
    pub(crate) next: u64,
}

impl Entries {
    /// Takes a directory that is open for reading.
    pub(crate) fn of(directory: OwnedFd) -> Self {
        Self { directory, read: VecDeque::new() }
    }

    /// Continues at the position of a name.
    pub(crate) fn seek(&mut self, position: u64) -> Result<(), Errno> {
        self.read.clear();
        seek(&self.directory, SeekFrom::Start(position)).map(drop)
    }

    fn read_more(&mut self) -> Result<(), Errno> {
        let mut piece = [MaybeUninit::<u8>::uninit(); PIECE];
        let mut names = RawDir::new(&self.directory, &mut piece);
        while let Some(entry) = names.next() {
            match entry {
                Ok(entry) => self.read.push_back(DirEntry {
                    name: entry.file_name().to_owned(),
                    file_type: entry.file_type(),
                    next: entry.next_entry_cookie(),
                }),
                Err(Errno::INTR) => continue,
                // The directory was removed.
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            }
            if names.is_buffer_empty() {
                break;
            }
        }
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<DirEntry, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty()
            && let Err(errno) = self.read_more()
        {
            return Some(Err(errno));
        }
        self.read.pop_front().map(Ok)
    }
}

impl AsFd for Entries {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl DirEntry {
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// Whether it is `.` or `..`.
    pub(crate) fn is_dot(&self) -> bool {
        matches!(self.name.to_bytes(), b"." | b"..")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};

    use tempfile::TempDir;

    use super::*;

    fn opened(directory: &TempDir) -> Entries {
        Entries::of(File::open(directory.path()).unwrap().into())
    }

    /// More names than fit into one read, of the maximum length.
    #[test]
    fn every_name_comes_once_and_can_be_found_again() {
        let directory = TempDir::new().unwrap();
        let names: BTreeSet<_> = (0..100).map(|number| format!("{number:0>255}")).collect();
        for name in &names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let read: Vec<_> = opened(&directory).map(Result::unwrap).collect();
        assert_eq!(read.iter().filter(|entry| entry.is_dot()).count(), 2);
        assert_eq!(read.len(), names.len() + 2);
        let name = |entry: &DirEntry| entry.name().to_str().unwrap().to_owned();
        let files = read.iter().filter(|entry| !entry.is_dot());
        assert_eq!(files.map(name).collect::<BTreeSet<_>>(), names);
        for (at, entry) in read.iter().enumerate() {
            let mut again = opened(&directory);
            again.next().unwrap().unwrap();
            again.seek(entry.next).unwrap();
            let next = again.next().map(|entry| name(&entry.unwrap()));
            assert_eq!(next, read.get(at + 1).map(name));
        }
    }

    #[test]
    fn a_removed_directory_has_no_names() {
        let directory = TempDir::new().unwrap();
        let mut entries = opened(&directory);
        directory.close().unwrap();
        assert!(entries.next().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let file = tempfile::tempfile().unwrap();
        let mut entries = Entries::of(file.into());
        assert_eq!(entries.next().unwrap().unwrap_err(), Errno::NOTDIR);
    }
}
