//! The files of HAUL: the shared directory of a server, and the files of a client.
//!
//! The machines of [`haul_core`] do no I/O. They request [`Effect`](haul_core::Effect)s. Whoever runs the machine of a
//! server lets a [`Session`] carry them out ([`Perform`]) on the [`Store`] that a [`StoreProvider`] gives to the
//! session's [`Identity`]. This crate has a store for a local [`Directory`]; another one, such as an object store,
//! implements the same trait. A client uploads from a [`Source`] and downloads to a [`Target`]: files ([`LocalSource`],
//! [`LocalTarget`]) or streams ([`StreamSource`], [`StreamTarget`]). All calls may block.
//!
//! ```
//! use haul_core::{Checksum, FilePath, Mode};
//! use haul_store::{Directory, NewFile, Options, Source, Staged, Store};
//!
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let store = Directory::open(directory, Options::default())?;
//! let path = FilePath::parse("notes/today.txt")?;
//!
//! let file = NewFile { path: path.clone(), mode: Mode::Create, if_match: None, size: None, modified: None, executable: false, durable: false };
//! let mut staged = store.create(&file)?;
//! staged.write(0, b"hello")?;
//! staged.sync()?;
//! staged.publish(Checksum::of(b"hello"))?; // Now it can be seen,
//! staged.sync_directory()?; // and now it survives a power cut.
//!
//! assert_eq!(store.open(&path)?.read(0, 100)?, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a directory promises
//! **Whole files.** A name shows either the old file or the complete new one. A session writes to a temporary file in
//! the directory of the final name, or in the nearest existing directory above it, so that mounts, subvolumes and drop
//! boxes behave as for any other program. With [`Mode::Create`](haul_core::Mode::Create) a file never replaces another
//! one. A file that is not published leaves no trace, not even the directories that were created for it. On ext4, XFS
//! and Btrfs the temporary file has no name (`O_TMPFILE`) until it replaces another file. On other file systems a crash
//! leaves a file whose name is `.haul-` and 16 hexadecimal digits. It is removed in the background when the directory
//! is next opened, and by the next upload that uses such a name in the same directory. A file is published beneath the
//! shared directory as that is at that moment: if its directory was moved out, the directory is created again.
//!
//! **Permissions.** A new file gets the permissions that any program's new file gets there: from the umask or the
//! default ACL, and the group from a set-group-ID directory. A file that replaces another one takes over its mode,
//! group and ACL, but not its owner, its set-user-ID bits, its other attributes or its other names: a hard link keeps
//! the old bytes. At no moment can anybody access the new file who could not access the old one. If the group cannot be
//! kept, the new group gets no more than everybody had. An executable file is executable for all who may read it. A
//! symbolic link is replaced itself, not its target.
//!
//! **Space.** A file that cannot fit, even if all unpublished files were discarded, is refused at once. An announced
//! size alone reserves nothing. On ext4, the store reserves space ahead of the bytes of a file whose announced size is
//! 1 MiB or more: at most as many bytes as arrived since the last hole, 16 MiB or a 64th of the free space, whichever
//! is least, and never beyond the announced size. It releases unused space at a hole and at the end. Without a journal,
//! or with fast commits, it does this only for files that will not be synced. A failed reservation is not an error.
//! Runs of zeros of at least 16 KiB (64 KiB for spliced bytes) become holes.
//!
//! **Location.** The path that was opened must lead to the directory that is served. While it does not, because the
//! directory was moved, removed, replaced or mounted over, every call fails with [`Io`](haul_core::StoreErrorKind::Io).
//! Otherwise nobody would find the files that are stored then, and a removed directory would look like an empty one.
//!
//! **Durable files.** After [`Staged::sync`], [`Staged::publish`] and [`Staged::sync_directory`], in this order, the
//! file is on stable storage: its bytes, size and times, its name, and the directories that were created for it. A
//! failed sync is final, because the kernel may have dropped the bytes that it could not write.
//!
//! **Atomic changes.** One system call deletes or renames, so that after `kill -9` or a power cut the change is either
//! done or not done. A rename to another file system, mount or subvolume is [not
//! supported](haul_core::StoreErrorKind::NotSupported), not even for a file: a copy and a deletion could be interrupted
//! between the two. A rename that only changes the case of a name is not supported either, where the file system cannot
//! do it in one step. A link is deleted or renamed itself. Anything that is not a file, a link or a directory cannot be
//! deleted or renamed, and neither can a mount point. A name that is listed in another case is [not
//! found](haul_core::StoreErrorKind::NotFound). A renamed file keeps its owner, group, mode and ACL; a new directory
//! gets those of a directory created there by hand. After [`Store::sync_directories`] a change is on stable storage;
//! until then a power cut may undo it. On a file system with a journal a renamed file then has one of its two names.
//! Without a journal it may have both or, if fsck has to look for it, neither.
//!
//! **Versions.** A [version](haul_core::Version) is computed from the device, the inode, the size, and the times of the
//! last change, the last write and the birth. It changes whenever the content changes. It also changes when the file
//! gets another name, other permissions or other links, when the device gets another number, and on file systems that
//! give a file another inode number (some FUSE file systems). Before Linux 6.13, two writes in one tick of the file
//! system's clock give the same version. No kernel notices a write through a memory mapping at once. An upload gets a
//! version of its own since Linux 6.13, and before that unless the kernel reuses the inode within one tick. A file
//! without a reliable size or without times has no version. No other session of this process changes the name between
//! the comparison of the version and the change; a local program can still replace the file in the microseconds between
//! the two.
//!
//! **Containment.** The kernel resolves all paths beneath the open directory (`openat2` with `RESOLVE_BENEATH`), so
//! that no link and no concurrent rename leads outside. Where that system call is missing or forbidden, the store opens
//! paths one component at a time and resolves links itself, with the same result. A listing checks at each step that
//! its current directory is still beneath the root. Relative links that stay inside are followed. An absolute link, one
//! that leads outside and one that leads nowhere are [not found](haul_core::StoreErrorKind::NotFound). The store opens
//! only regular files: never a pipe, a socket or a device. Names that begin with `.` do not exist for clients unless
//! [`Options::hidden`] is set, and no path reaches the name of an unfinished file.
//!
//! **Consistent reads.** The bytes that a session or a [`LocalSource`] reads are those that the file had at one moment.
//! If the size or a time of the file differs at the end from what it was at the beginning, the store reads the range
//! again. The same bytes are good, whatever else changed. Different or fewer bytes are [an
//! error](haul_core::StoreErrorKind::Changed). A file that only grew is sent up to the size that it had. The second
//! read costs as much as the first and comes before the final reply; for an unchanged file the check is one system
//! call. Only the checksum, at the other end, finds a write through a mapping that changes neither size nor times.
//!
//! **Files without a size.** Some files have contents that the kernel generates as they are read (procfs, sysfs,
//! cgroups and the like), or have the size 0 and contain bytes. They are read to their end. A [`LocalSource`] treats
//! them as a stream. A directory reads them whole, at most 16 MiB, before it reports their size.
//!
//! **Remembered checksums.** A directory remembers a checksum only for a file that was uploaded with an older
//! modification time, on ext2 to ext4, XFS and Btrfs, and only while its inode, size and times stay the same: a later
//! write through a mapping changes the times there. If such a file has other bytes nevertheless, whoever reads it
//! reports that: this process, or the peer if the pages are spliced unread. The checksum of a file that was only read
//! is never remembered, because somebody may have mapped it.
//!
//! **Bounded memory.** Listings and walks are read on demand and have at most 16 directories open each, at any depth.
//! All listings together use at most an eighth of the descriptors of the process, beyond one each. Reads and writes use
//! the buffers of the caller. Up to 65,536 checksums are remembered.
//!
//! Several servers may share one directory. Changes by local programs are visible at once.
//!
//! # Platforms
//! Linux 5.6 and later. A directory on a file system without locks is served, but leftovers of a crash are not removed
//! there. Other missing features of a file system (times, links, exclusive renames, fsync of directories) have a
//! fallback, and the log reports once what is weaker. A file that is a mount point itself cannot be replaced; the
//! upload is refused. A process that limits its file sizes (`RLIMIT_FSIZE`) must ignore `SIGXFSZ`, or that signal ends
//! it.

mod atomic_file;
mod budget;
mod client_files;
mod directory;
mod directory_handle;
mod entries;
mod error;
mod file_checksum;
mod file_system;
mod local;
mod mountable;
mod name_locks;
mod open_directory;
mod pass_through;
mod perform;
mod pipe_buffer;
mod provider;
mod pseudo_file_system;
mod regular_file;
mod resolve;
mod session;
mod stat;
mod store;
mod tmpfile;
mod traversal;
mod unsupported;
pub mod view;

pub use client_files::{ClientFiles, FilesById, Waiting};
pub use directory::{
    Directory, DirectoryChange, DirectoryListing, DirectorySource, DirectoryStaged, Options,
};
pub use haul_core::NewFile;
pub use local::{
    Found, LeftOut, LocalDirectory, LocalSource, LocalTarget, StreamSource, StreamTarget, Walk,
    is_reserved,
};
pub use mountable::{MountOptions, Mountable};
pub use pass_through::PassThrough;
pub use perform::Perform;
pub use provider::{Identify, Identity, StoreProvider};
pub use session::Session;
pub use store::{Change, Listing, Prepared, Source, Staged, Store, Target};
pub use view::{AccessSource, Share, View};
