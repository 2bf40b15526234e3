//! Translates errors of the operating system into those of a store.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;

use haul_core::account::Right;
use haul_core::{Escaped, StoreError, StoreErrorKind};
use rustix::io::Errno;

/// An error with the text "cannot `what`: why", for this side's log or user.
pub(crate) fn failed(what: impl Display, errno: Errno) -> StoreError {
    failed_io(what, &errno.into())
}

/// As [`failed`], for errors of the standard library.
pub(crate) fn failed_io(what: impl Display, error: &io::Error) -> StoreError {
    let errno = Errno::from_io_error(error);
    let kind = errno.map_or(StoreErrorKind::Io, kind_of);
    let why = error.to_string();
    let why = why.split(" (os error").next().unwrap_or_default();
    let error = StoreError::new(kind, format!("cannot {what}: {why}"));
    // Other sessions will close files soon.
    if errno.is_some_and(is_want_of_descriptors) { error.passing() } else { error }
}

/// Whether the process or the system has run out of descriptors.
pub(crate) fn is_want_of_descriptors(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE)
}

/// The error for a call that does not fit the calls before it, which is a bug of the caller.
pub(crate) fn misuse(detail: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Io, detail)
}

/// The error for a user who lacks `right`.
pub(crate) fn forbidden(right: Right) -> StoreError {
    StoreError::new(
        StoreErrorKind::Forbidden(right),
        format!("the user does not have the right \"{right}\""),
    )
}

/// The error for a user whose account was removed or disabled.
pub(crate) fn revoked() -> StoreError {
    StoreError::new(StoreErrorKind::Revoked, "the account was removed or disabled")
}

/// Escapes a local name, so that it is safe for a terminal or a log.
pub(crate) fn shown(name: &OsStr) -> String {
    Escaped::new(&name.to_string_lossy()).to_string()
}

/// Maps each error of the operating system to its kind. Nothing else does.
fn kind_of(errno: Errno) -> StoreErrorKind {
    match errno {
        // `XDEV` is a path that leaves the shared directory, where nothing is served. `LOOP` is too many links, or a
        // link where none is followed.
        Errno::NOENT | Errno::LOOP | Errno::XDEV | Errno::STALE => StoreErrorKind::NotFound,
        Errno::EXIST => StoreErrorKind::Exists,
        Errno::ISDIR => StoreErrorKind::IsDirectory,
        Errno::NOTDIR | Errno::NXIO | Errno::NODEV => StoreErrorKind::NotAFile,
        Errno::ACCESS | Errno::PERM => StoreErrorKind::Denied,
        Errno::ROFS => StoreErrorKind::ReadOnly,
        // `INVAL` may be about the name, but usually the file system does not support the operation, and another name
        // would not help.
        Errno::NAMETOOLONG | Errno::ILSEQ => StoreErrorKind::BadName,
        Errno::FBIG => StoreErrorKind::TooLarge,
        Errno::NOSPC | Errno::DQUOT => StoreErrorKind::NoSpace,
        _ => StoreErrorKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most of these need a name that changes between two calls, or a failing disk.
    #[test]
    fn every_error_has_its_kind() {
        for (errno, kind) in [
            (Errno::NOENT, StoreErrorKind::NotFound),
            (Errno::LOOP, StoreErrorKind::NotFound),
            (Errno::XDEV, StoreErrorKind::NotFound),
            (Errno::STALE, StoreErrorKind::NotFound),
            (Errno::EXIST, StoreErrorKind::Exists),
            (Errno::ISDIR, StoreErrorKind::IsDirectory),
            (Errno::NOTDIR, StoreErrorKind::NotAFile),
            (Errno::NXIO, StoreErrorKind::NotAFile),
            (Errno::NODEV, StoreErrorKind::NotAFile),
            (Errno::ACCESS, StoreErrorKind::Denied),
            (Errno::PERM, StoreErrorKind::Denied),
            (Errno::ROFS, StoreErrorKind::ReadOnly),
            (Errno::NAMETOOLONG, StoreErrorKind::BadName),
            (Errno::ILSEQ, StoreErrorKind::BadName),
            (Errno::INVAL, StoreErrorKind::Io),
            (Errno::FBIG, StoreErrorKind::TooLarge),
            (Errno::NOSPC, StoreErrorKind::NoSpace),
            (Errno::DQUOT, StoreErrorKind::NoSpace),
            (Errno::IO, StoreErrorKind::Io),
            (Errno::MFILE, StoreErrorKind::Io),
        ] {
            let error = failed("try", errno);
            assert_eq!((error.kind, error.passes), (kind, errno == Errno::MFILE), "{errno}");
        }
    }

    #[test]
    fn the_reason_is_told_without_its_number() {
        assert_eq!(failed("open it", Errno::ISDIR).detail, "cannot open it: Is a directory");
        let own = io::Error::other("out of paper");
        let error = failed_io("print it", &own);
        assert_eq!(
            (error.kind, &*error.detail),
            (StoreErrorKind::Io, "cannot print it: out of paper")
        );
    }
}
