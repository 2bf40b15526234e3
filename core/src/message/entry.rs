//! The entries of a listing.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::num::NonZeroU64;

use crate::error::ErrorCode;
use crate::escape::Escaped;
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::wire::words::Quoted;

/// How deep a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This many levels; 1 is the directory's own entries.
    Levels(NonZeroU64),
    /// All levels.
    All,
}

impl Depth {
    /// Only the directory's own entries.
    pub const ONE: Self = Self::Levels(NonZeroU64::MIN);

    /// Whether to list the entries of a directory found at `level`; the listed directory's own entries are at level 1.
    pub fn goes_below(self, level: u64) -> bool {
        match self {
            Self::Levels(levels) => level < levels.get(),
            Self::All => true,
        }
    }
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// The full path, relative to the shared directory.
        path: FilePath,
        /// Its size in bytes.
        size: u64,
        /// The time of the last modification.
        modified: Timestamp,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Directory {
        /// The full path, relative to the shared directory.
        path: FilePath,
        /// Why its own entries are not in the listing, if they could not be read: [`ErrorCode::Denied`] or
        /// [`ErrorCode::Io`].
        error: Option<ErrorCode>,
        /// Whether it is a link to a directory within the share. A listing does not descend through one.
        link: bool,
    },
    /// A name that the listing omits; only if the client [asked for them](crate::verb::List::omitted).
    Omitted {
        /// The full path in a form that can be shown and sent, see [`Entry::omitted`]. The protocol may not be able to
        /// express the real path.
        shown: String,
        /// Why it is omitted.
        reason: Omission,
    },
}

impl Entry {
    /// An omitted name: the full path as it is on the disk, relative to the shared directory.
    ///
    /// Bytes that are not UTF-8 become `\u{fffd}`, and [`Escaped`] writes invisible characters; the path is cut to the
    /// length of a line.
    ///
    /// ```
    /// use haul_core::{Entry, message::Omission};
    ///
    /// let entry = Entry::omitted(b"caf\xe9\n", Omission::Name);
    /// let shown = r"caf\u{fffd}\n".to_owned();
    /// assert_eq!(entry, Entry::Omitted { shown, reason: Omission::Name });
    /// ```
    pub fn omitted(path: &[u8], reason: Omission) -> Self {
        let text = String::from_utf8_lossy(path);
        let shown = Escaped::new(&text).to_string().replace('\u{fffd}', r"\u{fffd}");
        Self::Omitted { shown: cut(shown), reason }
    }

    /// The same entry in a listing of what is around `directory`, if this one is relative to `directory`. A path that
    /// becomes too long is omitted.
    ///
    /// ```
    /// use haul_core::{Entry, FilePath};
    ///
    /// let sea = FilePath::parse("sea")?;
    /// let entry = Entry::Directory { path: sea, error: None, link: false }.below(&FilePath::parse("photos/2026")?);
    /// assert_eq!(entry.path(), Some(&FilePath::parse("photos/2026/sea")?));
    /// # Ok::<(), haul_core::PathError>(())
    /// ```
    #[must_use]
    pub fn below(self, directory: &FilePath) -> Self {
        let joined = |path: &FilePath| format!("{}/{}", directory.as_str(), path.as_str());
        if let Self::Omitted { shown, reason } = self {
            return Self::Omitted {
                shown: cut(format!("{}/{shown}", directory.escaped())),
                reason,
            };
        }
        let full = self.path().map(joined).unwrap_or_default();
        match (FilePath::parse(&full), self) {
            (Ok(path), Self::File { size, modified, executable, .. }) => {
                Self::File { path, size, modified, executable }
            }
            (Ok(path), Self::Directory { error, link, .. }) => {
                Self::Directory { path, error, link }
            }
            (_, _) => Self::omitted(full.as_bytes(), Omission::Name),
        }
    }

    /// The full path, relative to the shared directory; `None` for an omitted name.
    pub fn path(&self) -> Option<&FilePath> {
        match self {
            Self::File { path, .. } | Self::Directory { path, .. } => Some(path),
            Self::Omitted { .. } => None,
        }
    }
}

/// Cuts a shown path to the length of a line.
fn cut(mut shown: String) -> String {
    const CUT: &str = "…";
    if shown.len() > Quoted::MAX_BYTES {
        shown.truncate(shown.floor_char_boundary(Quoted::MAX_BYTES - CUT.len()));
        shown.push_str(CUT);
    }
    shown
}

/// Why a listing omits a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Omission {
    /// It breaks the rules of names, or its path is too long.
    Name,
    /// It is a link that leads outside the share, or nowhere.
    Link,
    /// It is neither a regular file nor a directory: a device, a FIFO or a socket.
    Special,
    /// The server does not serve names that begin with a dot. One entry stands for a directory and everything below it.
    Hidden,
    /// The server could not find out what it is. A client takes an unknown reason for this one.
    Unknown,
}

impl Omission {
    /// Every reason.
    pub const ALL: &'static [Self] =
        &[Self::Name, Self::Link, Self::Special, Self::Hidden, Self::Unknown];

    /// The reason as the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Link => "link",
            Self::Special => "special",
            Self::Hidden => "hidden",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
