//! Where the files of HAUL are: the shared directory of a server, and a client's own files.
//!
//! The machines of [`haul_core`] do no I/O. They ask for [`Effect`](haul_core::Effect)s, and whoever runs a server's
//! machine has a [`Session`] carry them out ([`Perform`]) on the [`Store`] that a [`StoreProvider`] gives to the
//! session's [`Identity`]. The store that is here is a local [`Directory`]; another one, such as an object store,
//! implements the same trait. What a client sends is a [`Source`] and where a download goes is a [`Target`]: files
//! ([`LocalSource`], [`LocalTarget`]) or streams ([`StreamSource`], [`StreamTarget`]). Everything here blocks.
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
//! **Whole files.** A name shows the old file or the whole new one. Bytes go to a temporary file in the directory where
//! the file will be, or in the innermost one above it that is there, so that mounts, subvolumes and drop boxes are
//! written as by any other program. With [`Mode::Create`](haul_core::Mode::Create) a file never replaces another one.
//! What is not published leaves no trace, not even the directories made for it. On ext4, XFS and Btrfs the temporary
//! file has no name (`O_TMPFILE`) until it needs one to take the place of another file. What a crash leaves elsewhere,
//! under a name of `.haul-` and 16 hexadecimal digits, is removed when a directory is opened the next time, in the
//! background, and by the next file that gets such a name in the same directory. A file is published beneath the shared
//! directory as that is at this moment: if its directory was moved out meanwhile, it is made anew.
//!
//! **Rights.** A new file has what any program's new file has there: the umask or the default access list, and the
//! group of a set-group-ID directory, decide. The file that is replaced passes on its mode, group and access list, but
//! not its owner, its set-user-ID bits, its other attributes or its other names: a hard link keeps the old bytes. At no
//! moment may anybody use the new file who could not use the old one; a group that cannot be kept gives the new one no
//! more than everybody had. A file that is to be executable gets that right for all who may read it. A symbolic link is
//! replaced itself.
//!
//! **Room.** What cannot fit, even if all that is being written were given up, is refused at once. An announced size
//! alone reserves nothing. On ext4, room is reserved ahead of the bytes of a file of 1 MiB or more whose size was
//! announced: at most as much as has come since the last hole, 16 MiB or a 64th of what is free, whichever is least,
//! and never beyond the announced size. What is unused is given back at a hole and at the end. Without a journal, or
//! with fast commits, only files that will not be synced have that. A reservation that fails is no error. Runs of zeros
//! of 16 KiB and more (64 KiB where bytes pass by this process) become holes.
//!
//! **One place.** The path that was opened must lead to the directory that is served. While it does not, because that
//! was moved, removed, replaced or mounted over, everything is refused with [`Io`](haul_core::StoreErrorKind::Io): what
//! was stored then nobody would find, and a directory that is gone is not an empty one.
//!
//! **Durable files.** After [`Staged::sync`], [`Staged::publish`] and [`Staged::sync_directory`], in this order, the
//! file is on stable storage: its bytes, size and times, its name, and the directories that were made for it. A sync
//! that fails is final, since the kernel may have dropped the bytes that it could not write.
//!
//! **Whole changes.** What is deleted or renamed is so by one system call, so that after `kill -9` or a power cut it is
//! done or not done. A rename to another file system, mount or subvolume is [not
//! supported](haul_core::StoreErrorKind::NotSupported), of a file too: a copy that is followed by a deletion could end
//! between the two. Nor is a rename that changes only the case of a name where the file system does not do that in one
//! step. A link is deleted or renamed itself. What is neither a file, a link nor a directory stays, as does a mount
//! point, and a name that is listed in another case is [not found](haul_core::StoreErrorKind::NotFound). What is
//! renamed keeps its owner, group, mode and access list; a new directory has what one made there by hand has. After
//! [`Store::sync_directories`] a change is on stable storage; until then a power cut may undo it. Where there is a
//! journal, what is renamed has one of its two names then; without one it may have both or, if fsck has to look for it,
//! neither.
//!
//! **Versions.** A [version](haul_core::Version) is made of device, inode, size, and the times of the last change, the
//! last write and the birth. It changes whenever the content does, and also when the file gets another name, other
//! rights or other links, when the device gets another number, and on file systems that give an inode another number
//! (some by FUSE). Two writes in one tick of the file system's clock are not told apart before Linux 6.13, nor,
//! anywhere, is a write through a mapping before the kernel has noticed it; what is uploaded here has a version of its
//! own since 6.13, and before unless an inode is given away again within one tick. What has no reliable size or no
//! times has no version. The version is compared and the change made while no other session of this process touches the
//! name; a local program can still replace the file in the microseconds between the two.
//!
//! **Nothing else.** All paths are resolved by the kernel beneath the open directory (`openat2` with
//! `RESOLVE_BENEATH`), so that no link and no rename under way leads outside. Where that system call is missing or
//! forbidden, paths are opened name by name and links are read rather than followed, with the same outcome. A listing
//! makes sure at each step that the directory that it is in still lies beneath. Links that stay inside are followed if
//! they are relative. A link that leaves, an absolute one and one that leads nowhere are [not
//! found](haul_core::StoreErrorKind::NotFound). Only regular files are opened: never a pipe, a socket or a device.
//! Names that begin with `.` are not there unless [`Options::hidden`] says so, and the names of files that are not
//! whole yet are reached by no path at all.
//!
//! **Nothing unnoticed.** What is read of a file, here or by a [`LocalSource`], is what the file had at one moment.
//! When it was sent and its size or a time is not what it was at the opening, the range that was sent is read once
//! more: the same bytes are good, whatever else was done to the file, and others are [a
//! change](haul_core::StoreErrorKind::Changed), as are fewer than there were. A file that only grew is sent up to the
//! size that it had. The second reading costs as much as the first did and comes before the final reply; a file that is
//! left alone costs one system call. A write that changes neither size nor times, through a mapping, is seen only at
//! the other end, by the checksum.
//!
//! **No size is believed that tells nothing.** Files that the kernel makes up as they are read (procfs, sysfs, cgroups
//! and the like), and files of size 0 that have bytes, are read to their end: a [`LocalSource`] is a stream then, and a
//! directory reads them whole, at most 16 MiB, before it tells their size.
//!
//! **No checksum outlives the bytes.** Only the checksum of what was uploaded here with an older modification time is
//! remembered, on ext2 to ext4, XFS and Btrfs, as long as inode, size and times stand: a write through a mapping that
//! was made later changes the times there. A file that has other bytes then is reported, by whoever reads it: here, or
//! at the other end if its pages go out unread. What was only read is never remembered, since somebody may have had it
//! mapped.
//!
//! **Bounded memory.** Listings and walks are read as they are asked for and hold at most 16 open directories each
//! whatever the depth; listings together hold an eighth of the process's descriptors beyond one each. Reads and writes
//! hold what the caller gives them. Up to 65,536 checksums are remembered.
//!
//! Several servers may share one directory. What local programs do in it meanwhile is seen as it happens.
//!
//! # Platforms
//! Linux 5.6 and later. A directory on a file system without locks is served, but what a crash left in it is not
//! removed. What else a file system lacks (times, links, renames that replace nothing, syncs of directories) has a
//! fallback; the log says once what gets weaker. A file that is itself a mount point cannot be replaced, and is
//! refused. A process that limits its file sizes (`RLIMIT_FSIZE`) must ignore `SIGXFSZ`, or that signal ends it.

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

pub use client_files::{ClientFiles, FilesById, Waiting};
pub use directory::{
    Directory, DirectoryChange, DirectoryListing, DirectorySource, DirectoryStaged, Options,
};
pub use local::{
    Found, LeftOut, LocalDirectory, LocalSource, LocalTarget, StreamSource, StreamTarget, Walk,
    is_reserved,
};
pub use pass_through::PassThrough;
pub use perform::Perform;
pub use provider::{Identity, StoreProvider};
pub use session::Session;
pub use store::{Change, Listing, NewFile, Prepared, Source, Staged, Store, Target};
