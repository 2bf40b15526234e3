//! What the operating system says, in the words of a store.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;

use haul_core::{Escaped, StoreError, StoreErrorKind};
use rustix::io::Errno;

/// "cannot `what`: why", for this side's own log or user.
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
    // Others close theirs before long.
    if errno.is_some_and(is_want_of_descriptors) { error.passing() } else { error }
}

/// Whether this process, or the system, has no descriptor left.
pub(crate) fn is_want_of_descriptors(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE)
}

/// A call that does not fit what came before: the caller's bug.
pub(crate) fn misuse(detail: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Io, detail)
}

/// A name of this machine's file system, safe for a terminal or a log.
pub(crate) fn shown(name: &OsStr) -> String {
    Escaped::new(&name.to_string_lossy()).to_string()
}

/// The one place where errors of the operating system get their kind.
fn kind_of(errno: Errno) -> StoreErrorKind {
    match errno {
        // `XDEV` is a path that leaves the shared directory: nothing is served there. `LOOP` is a link among too many,
        // or one where none is followed.
        Errno::NOENT | Errno::LOOP | Errno::XDEV | Errno::STALE => StoreErrorKind::NotFound,
        Errno::EXIST => StoreErrorKind::Exists,
        Errno::ISDIR => StoreErrorKind::IsDirectory,
        Errno::NOTDIR | Errno::NXIO | Errno::NODEV => StoreErrorKind::NotAFile,
        Errno::ACCESS | Errno::PERM => StoreErrorKind::Denied,
        Errno::ROFS => StoreErrorKind::ReadOnly,
        // `INVAL` may be a name, but more often something that a file system cannot do: no other name would help.
        Errno::NAMETOOLONG | Errno::ILSEQ => StoreErrorKind::BadName,
        Errno::FBIG => StoreErrorKind::TooLarge,
        Errno::NOSPC | Errno::DQUOT => StoreErrorKind::NoSpace,
        _ => StoreErrorKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most of these need a name to change in the very moment between two calls, or a disk that fails.
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
