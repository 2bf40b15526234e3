//! A client's own files: what it uploads from and downloads to.

mod directory;
mod file;
mod stream;

pub use self::directory::{Found, LocalDirectory, Walk};
pub use self::file::{LocalSource, LocalTarget};
pub use self::stream::{StreamSource, StreamTarget};
