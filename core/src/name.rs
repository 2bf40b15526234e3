//! Names of files in the shared directory.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::escape::Escaped;

/// The path of a file or directory, relative to the shared directory, which keeps every rule of the protocol.
///
/// Only parsing creates one, and nothing else opens files, so a store that gets a `FilePath` need not check it again: 1
/// to [`MAX_BYTES`](Self::MAX_BYTES) bytes of UTF-8; components of 1 to
/// [`MAX_COMPONENT_BYTES`](Self::MAX_COMPONENT_BYTES) bytes joined by single `/`; no component is `.` or `..`; no
/// control character (U+0000–001F, U+007F–009F) and no `\`.
///
/// Whether a name is [hidden](Self::is_hidden) is not a rule of the grammar but a choice of the server.
///
/// It has no `Display`: a name comes from the peer and may contain characters that reverse text on a terminal. Use
/// [`escaped`](Self::escaped) for people and [`as_str`](Self::as_str) for files and the protocol.
///
/// ```
/// use haul_core::FilePath;
///
/// let path = FilePath::parse("photos/2026/sea.jpg")?;
/// assert_eq!(path.file_name(), "sea.jpg");
/// assert_eq!(path.parent().unwrap().as_str(), "photos/2026");
/// assert!(FilePath::parse("../secret").is_err());
/// # Ok::<(), haul_core::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Arc<str>);

impl FilePath {
    /// The longest path, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// The longest component of a path, in bytes.
    pub const MAX_COMPONENT_BYTES: usize = 255;

    /// Checks `text` against every rule and keeps it unchanged.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(PathError::TooLong);
        }
        // This checks each byte once: millions of paths are parsed, and most are short.
        let bytes = text.as_bytes();
        let (mut begin, mut lead, mut components) = (0, false, Ok(()));
        for (at, byte) in bytes.iter().enumerate() {
            match CLASSES[usize::from(*byte)] {
                Class::Plain => {}
                Class::Slash => {
                    components = components.and_then(|()| check_component(&bytes[begin..at]));
                    begin = at + 1;
                }
                Class::Lead => lead = true,
                Class::Forbidden => return Err(PathError::ForbiddenCharacter),
            }
        }
        if lead && text.chars().any(char::is_control) {
            return Err(PathError::ForbiddenCharacter);
        }
        components.and_then(|()| check_component(&bytes[begin..]))?;
        Ok(Self(text.into()))
    }

    /// The path as the protocol writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, from the shared directory inwards; at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path without its last component, or `None` directly under the shared directory.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// This path with one more component.
    ///
    /// # Errors
    /// The rule that the component or the whole path breaks.
    pub fn join(&self, component: &str) -> Result<Self, PathError> {
        if component.contains('/') {
            return Err(PathError::ForbiddenCharacter);
        }
        let mut joined = String::with_capacity(self.0.len() + 1 + component.len());
        joined.push_str(&self.0);
        joined.push('/');
        joined.push_str(component);
        Self::parse(&joined)
    }

    /// Whether any component begins with `.`. Such a name is not found unless the server serves hidden files.
    pub fn is_hidden(&self) -> bool {
        self.components().any(|component| component.starts_with('.'))
    }

    /// The path, escaped for a terminal or a log.
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped::new(&self.0)
    }
}

/// The class of a byte of a path.
#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    /// The first byte of U+0080 to U+009F, which are control characters of two bytes.
    Lead,
    Forbidden,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut control = 0;
    while control < b' ' {
        classes[control as usize] = Class::Forbidden;
        control += 1;
    }
    classes[0x7f] = Class::Forbidden;
    classes[b'\\' as usize] = Class::Forbidden;
    classes[b'/' as usize] = Class::Slash;
    classes[0xc2] = Class::Lead;
    classes
};

fn check_component(component: &[u8]) -> Result<(), PathError> {
    match component {
        b"" => Err(PathError::EmptyComponent),
        b"." | b".." => Err(PathError::DotComponent),
        _ if component.len() > FilePath::MAX_COMPONENT_BYTES => Err(PathError::ComponentTooLong),
        _ => Ok(()),
    }
}

impl FromStr for FilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl AsRef<str> for FilePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.as_str().to_owned()
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

/// Why a text is not a [`FilePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// It has no bytes.
    #[error("a path needs at least one byte")]
    Empty,
    /// It has more than [`FilePath::MAX_BYTES`] bytes.
    #[error("a path has at most 1024 bytes")]
    TooLong,
    /// A component has more than [`FilePath::MAX_COMPONENT_BYTES`] bytes.
    #[error("a name has at most 255 bytes")]
    ComponentTooLong,
    /// It begins or ends with `/`, or has two in a row.
    #[error("a path is relative: no / at its start or end, no // in it")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("a path has no . or .. in it")]
    DotComponent,
    /// It has a control character, a `\`, or (in [`FilePath::join`]) a `/`.
    #[error("a path has no control characters and no \\ in it")]
    ForbiddenCharacter,
}
