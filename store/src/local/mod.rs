//! A client's own files: what it uploads from and downloads to.

mod directory;
mod file;
mod stream;
mod walk;

pub use self::directory::LocalDirectory;
pub use self::file::{LocalSource, LocalTarget};
pub use self::stream::{StreamSource, StreamTarget};
pub use self::walk::{Found, LeftOut, Walk};

use crate::atomic_file::is_temporary_name;

/// Whether Haul keeps a name for its own unfinished files: no server serves it, and no [walk](LocalDirectory::walk)
/// takes it along. It is one component of a path.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    is_temporary_name(name.as_bytes())
}
