//! The files of a client: what it uploads from and downloads to.

mod directory;
mod file;
mod stream;
mod walk;

pub use self::directory::LocalDirectory;
pub use self::file::{LocalSource, LocalTarget};
pub use self::stream::{StreamSource, StreamTarget};
pub use self::walk::{Found, LeftOut, Walk};

use crate::atomic_file::is_temporary_name;

/// Whether Haul reserves `name`, which is one component of a path, for its own unfinished files. No server serves such
/// a name, and no [walk](LocalDirectory::walk) includes it.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    is_temporary_name(name.as_bytes())
}
