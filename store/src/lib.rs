//! Where the files of HAUL are: the shared directory of a server, and a client's own files.
//!
//! The machines of [`haul_core`] do no I/O. They ask for [`Effect`](haul_core::Effect)s, and whoever runs a server's machine has a [`Session`] carry them out ([`Perform`]) on a
//! [`Store`]. The store that is here is a local [`Directory`]; another one, such as an object store, implements the same trait. What a client sends is a
//! [`Source`] and where a download goes is a [`Target`]: files ([`LocalSource`], [`LocalTarget`]) or streams ([`StreamSource`], [`StreamTarget`]). Everything here blocks.
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
//! let file = NewFile { path: path.clone(), mode: Mode::Create, size: None, modified: None, executable: false, durable: false };
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
//! **Whole files.** A name shows the old file or the whole new one. Bytes go to a staging file, which takes its name when they are all there. With
//! [`Mode::Create`](haul_core::Mode::Create) it never replaces another file then. What is not published leaves no trace, not even the directories made for it. On ext4, XFS, Btrfs and F2FS the
//! staging file has no name (`O_TMPFILE`) unless it takes the place of another one, and the kernel removes it after a crash; what a crash leaves in the staging area otherwise is swept when a
//! directory is opened the next time. The file that is replaced passes on its permissions, but not its owner, its set-user-ID bits or its other names: a hard
//! link keeps the old bytes. A symbolic link is replaced itself.
//!
//! **Durable files.** After [`Staged::sync`], [`Staged::publish`] and [`Staged::sync_directory`], in this order, the file is on stable storage: its bytes, size and times, its name, and the
//! directories that were made for it. A sync that fails is final, since the kernel may have dropped the bytes that it could not write.
//!
//! **Nothing else.** All paths are resolved by the kernel beneath the open directory (`openat2` with `RESOLVE_BENEATH`), so that no link and no rename under way leads outside. Links that stay inside
//! are followed if they are relative. A link that leaves, an absolute one and one that leads nowhere are [not found](haul_core::StoreErrorKind::NotFound). Only regular files are opened: never a
//! pipe, a socket or a device. Names that begin with `.` are not there unless [`Options::hidden`] says so, and the staging area `.haul-staging` is reached
//! by no path at all.
//!
//! **Nothing unnoticed.** A file that changes while it is read is [reported](haul_core::StoreErrorKind::Changed), and a reader never gets bytes beyond the size that it was told. Checksums are remembered
//! as long as inode, size and times of a file stand; a file that has other bytes then is reported too, by whoever reads it: here, or at the other end if its pages go out unread.
//!
//! **Bounded memory.** Listings are read as they are asked for and hold one open directory a level. Reads and writes hold what the caller gives them. Up to 65,536 checksums are remembered.
//!
//! Several servers may share one directory. What local programs do in it meanwhile is seen as it happens.
//!
//! # Platforms
//! Linux 5.6 and later. A directory on a file system without locks is served, but what a crash left in its staging area is not swept. Another file system mounted within the
//! shared directory is read and not written, because nothing can be renamed into it. A process that limits its file sizes (`RLIMIT_FSIZE`) must ignore `SIGXFSZ`, or that signal ends it.

mod directory;
mod enter;
mod error;
mod file_system;
mod held;
mod local;
mod nameless;
mod own_files;
mod perform;
mod pseudo;
mod regular;
mod session;
mod stat;
mod store;
mod temporary;

pub use directory::{Directory, DirectoryListing, DirectorySource, DirectoryStaged, Options};
pub use held::Held;
pub use local::{
    Found, LocalDirectory, LocalSource, LocalTarget, StreamSource, StreamTarget, Walk,
};
pub use own_files::{FilesById, OwnFiles, Waiting};
pub use perform::Perform;
pub use session::Session;
pub use store::{Kept, Listing, NewFile, Source, Staged, Store, Target};
