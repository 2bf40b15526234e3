//! Places in a tree, the root among them.

use std::fmt;
use std::str::FromStr;

use haul_core::{FilePath, PathError};

/// A directory of the share, or a place in the view of a user; either may be the root, which is written as `.`.
///
/// Its `Display` is safe for a terminal or a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Option<FilePath>);

impl Place {
    /// The root.
    pub const ROOT: Self = Self(None);

    /// The path; `None` for the root.
    pub fn path(&self) -> Option<&FilePath> {
        self.0.as_ref()
    }

    /// What [`FromStr`] parses.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or(".", FilePath::as_str)
    }
}

impl From<Option<FilePath>> for Place {
    fn from(path: Option<FilePath>) -> Self {
        Self(path)
    }
}

impl From<FilePath> for Place {
    fn from(path: FilePath) -> Self {
        Self(Some(path))
    }
}

impl FromStr for Place {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text == "." { Ok(Self::ROOT) } else { FilePath::parse(text).map(Self::from) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => fmt::Display::fmt(&path.escaped(), f),
            None => f.write_str("."),
        }
    }
}
