//! A client's own files: what it uploads from and downloads to.

mod directory;
mod file;
mod stream;
mod walk;

pub use self::directory::LocalDirectory;
pub use self::file::{LocalSource, LocalTarget};
pub use self::stream::{StreamSource, StreamTarget};
pub use self::walk::{Found, LeftOut, Walk};
