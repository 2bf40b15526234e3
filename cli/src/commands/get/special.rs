//! Targets that are not regular files. Bytes are written to them directly.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use haul_store::{StreamTarget, Target};
use rustix::fs::OFlags;

use crate::error::{self, Error};
use crate::exit::Exit;

/// The most links that are followed on the way to a descriptor, as in the kernel.
const MOST_LINKS: usize = 40;

/// What a target's name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file, nothing yet, or a link to one of these; also something in the way, such as a directory.
    File,
    Stdout,
    Stderr,
    /// A device, a pipe, a socket, or an open descriptor of this process.
    Stream,
}

impl Kind {
    pub(super) fn of(target: &Path) -> Self {
        let mut at = target.to_path_buf();
        for _ in 0..MOST_LINKS {
            match descriptor(&at) {
                Some(1) => return Self::Stdout,
                Some(2) => return Self::Stderr,
                Some(_) => return Self::Stream,
                None => {}
            }
            let Ok(leads_to) = fs::read_link(&at) else { break };
            at = at.parent().unwrap_or(Path::new("")).join(leads_to);
        }
        match fs::metadata(target) {
            Ok(found) if !found.is_file() && !found.is_dir() => Self::Stream,
            _ => Self::File,
        }
    }
}

/// The descriptor of this process that this name refers to, if any.
fn descriptor(path: &Path) -> Option<u32> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
    (directory == fs::canonicalize("/proc/self/fd").ok()?).then_some(number)
}

/// Opens a target that is not a regular file. Opening a named pipe waits for a reader.
pub(super) fn open(target: &Path) -> Result<Box<dyn Target>, Error> {
    // A file behind a descriptor is reopened for appending, because other output may go to it, too.
    let flags = (OFlags::APPEND | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(target);
    let shown = target.display().to_string();
    let file = opened.map_err(|error| {
        Error::new(Exit::Local, format!("cannot open {shown}: {}", error::plain(&error)))
    })?;
    Ok(Box::new(StreamTarget::new(file, shown)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_name_is_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let link = |name: &str, to: &str| {
            let link = directory.path().join(name);
            symlink(to, &link).unwrap();
            link
        };
        for (name, to, kind) in [
            ("null", "/dev/null", Kind::Stream),
            ("fd", "/dev/fd/1", Kind::Stdout),
            ("out", "/dev/stdout", Kind::Stdout),
            ("again", "out", Kind::Stdout),
            ("err", "/proc/self/fd/2", Kind::Stderr),
            ("three", "/dev/fd/3", Kind::Stream),
            ("nowhere", "nothing", Kind::File),
            ("round", "round", Kind::File),
            ("directory", ".", Kind::File),
        ] {
            assert_eq!(Kind::of(&link(name, to)), kind, "{name}");
        }
        assert_eq!(Kind::of(Path::new("/dev/stdout")), Kind::Stdout);
        assert_eq!(Kind::of(&directory.path().join("3")), Kind::File);
    }
}
