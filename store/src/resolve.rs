//! Opens paths beneath a directory, and never outside of it.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::stat::Stat;

/// The maximum number of links to follow for one file, the same as the kernel's.
pub(crate) const MAX_LINKS: usize = 40;

/// How often to ask the kernel again while names change, for about ten milliseconds: another program may change names
/// as fast as the kernel resolves them.
const MAX_ATTEMPTS: usize = 1 << 13;

/// What to do with the symbolic links of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Follow them as long as they stay beneath the directory.
    Follow,
    /// Fail with [`Errno::LOOP`].
    Refuse,
}

/// What to do with whatever is mounted on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mounts {
    Enter,
    /// Fail with [`Errno::XDEV`].
    Refuse,
}

/// What a path may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) links: Links,
    pub(crate) mounts: Mounts,
}

impl From<Links> for Way {
    fn from(links: Links) -> Self {
        Self { links, mounts: Mounts::Enter }
    }
}

/// Opens `path` beneath `root`. [`Errno::XDEV`] means that the path leaves it.
pub(crate) fn open_beneath(
    root: impl AsFd,
    path: &Path,
    flags: OFlags,
    way: impl Into<Way>,
) -> Result<OwnedFd, Errno> {
    let way = way.into();
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if way.links == Links::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    if way.mounts == Mounts::Refuse {
        resolve |= ResolveFlags::NO_XDEV;
    }
    let flags = flags | OFlags::CLOEXEC;
    match persist(|| openat2(&root, path, flags, Mode::empty(), resolve)) {
        // The kernel is older than 5.6, or a sandbox forbids the call. If there is another reason, the fallback fails
        // for it too.
        Err(Errno::NOSYS | Errno::PERM) => by_steps(root.as_fd(), path, flags, way),
        opened => opened,
    }
}

/// Repeats the call if a name changed while the kernel resolved the path, so that it could not check `..`, or if a
/// signal interrupted it.
fn persist<T>(open: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let settled = |opened: &_| !matches!(opened, Err(Errno::AGAIN | Errno::INTR));
    iter::repeat_with(open).take(MAX_ATTEMPTS).find(settled).unwrap_or(Err(Errno::AGAIN))
}

/// Does what `openat2` does, one name at a time. It reads links itself instead of letting the kernel follow them, and
/// takes `..` as the directory that it came from.
fn by_steps(root: BorrowedFd<'_>, path: &Path, flags: OFlags, way: Way) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut passed: Vec<OwnedFd> = Vec::new();
    // The rest of the path, the next name last.
    let mut names = reversed(path)?;
    let mut followed = 0;
    while let Some(name) = names.pop() {
        if name == ".." {
            passed.pop().ok_or(Errno::XDEV)?;
        }
        if name == "." || name == ".." {
            continue;
        }
        let here = passed.last().map_or(root, AsFd::as_fd);
        let found = openat(here, &name, step, Mode::empty())?;
        let stat = Stat::of(&found)?;
        if stat.mount_point && way.mounts == Mounts::Refuse {
            return Err(Errno::XDEV);
        }
        match stat.file_type {
            FileType::Symlink if way.links == Links::Refuse || followed == MAX_LINKS => {
                return Err(Errno::LOOP);
            }
            FileType::Symlink => {
                followed += 1;
                let target = readlinkat(&found, c"", Vec::new())?;
                names.extend(reversed(OsStr::from_bytes(target.as_bytes()).as_ref())?);
            }
            _ if names.is_empty() => {
                let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                return openat(here, &name, flags, Mode::empty());
            }
            FileType::Directory => passed.push(found),
            _ => return Err(Errno::NOTDIR),
        }
    }
    let here = passed.last().map_or(root, AsFd::as_fd);
    openat(here, c".", flags | OFlags::CLOEXEC, Mode::empty())
}

/// Splits a path into its names, the first one last. An empty name, before or after a `/`, is `.`.
fn reversed(path: &Path) -> Result<Vec<OsString>, Errno> {
    match path.as_os_str().as_bytes() {
        [] => Err(Errno::NOENT),
        [b'/', ..] => Err(Errno::XDEV),
        path => {
            let name =
                |name: &[u8]| OsString::from_vec(if name.is_empty() { b"." } else { name }.into());
            Ok(path.rsplit(|byte| *byte == b'/').map(name).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::stat::FileId;

    fn found(opened: Result<OwnedFd, Errno>) -> Option<FileId> {
        opened.ok().map(|file| Stat::of(file).unwrap().id())
    }

    /// A path of few names, so that it often exists.
    fn paths() -> impl Strategy<Value = String> {
        let name = prop_oneof![4 => "[abc]", 2 => Just("..".to_owned()), 1 => Just(".".to_owned())];
        (any::<bool>(), vec(name, 1..5), any::<bool>()).prop_map(|(absolute, names, slash)| {
            let (before, after) =
                (["", "/"][usize::from(absolute && slash)], ["", "/"][usize::from(slash)]);
            format!("{before}{}{after}", names.join("/"))
        })
    }

    proptest! {
        /// The kernel is the oracle.
        #[test]
        fn by_steps_the_same_is_found(
            made in vec((paths(), prop_oneof![Just(None), Just(Some(None)), paths().prop_map(|to| Some(Some(to)))]), 0..12),
            looked_up in vec(paths(), 1..12),
        ) {
            let around = TempDir::new().unwrap();
            let root = around.path().join("a/b");
            fs::create_dir_all(&root).unwrap();
            for (path, what) in made {
                // Many of these fail.
                let path = root.join(path);
                let _ = match what {
                    None => fs::create_dir(path),
                    Some(None) => File::create_new(path).map(drop),
                    Some(Some(target)) => symlink(target, path),
                };
            }
            let root = File::open(root).unwrap();
            let root = root.as_fd();
            for path in looked_up {
                for (links, resolve) in [
                    (Links::Follow, ResolveFlags::empty()),
                    (Links::Refuse, ResolveFlags::NO_SYMLINKS),
                ] {
                    for flags in [OFlags::PATH, OFlags::RDONLY, OFlags::RDONLY | OFlags::DIRECTORY] {
                        let resolve = resolve | ResolveFlags::BENEATH;
                        let flags = flags | OFlags::CLOEXEC;
                        let oracle = openat2(root, &*path, flags, Mode::empty(), resolve);
                        let steps = by_steps(root, path.as_ref(), flags, links.into());
                        prop_assert_eq!(found(steps), found(oracle), "{} {:?}", path, links);
                    }
                }
            }
        }
    }

    #[test]
    fn what_changes_is_asked_for_again_but_not_for_ever() {
        let mut answers = [Err(Errno::AGAIN), Err(Errno::INTR), Ok(7), Ok(8)].into_iter();
        assert_eq!(persist(|| answers.next().unwrap()), Ok(7));
        assert_eq!(persist(|| Err::<(), _>(Errno::NOENT)), Err(Errno::NOENT));
        let mut asked = 0;
        let changes = || {
            asked += 1;
            Err::<(), _>(Errno::AGAIN)
        };
        assert_eq!(persist(changes), Err(Errno::AGAIN));
        assert_eq!(asked, MAX_ATTEMPTS);
    }

    #[test]
    fn what_was_refused_is_told() {
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        symlink("loop", at("loop")).unwrap();
        symlink("..", at("up")).unwrap();
        symlink("/", at("root")).unwrap();
        fs::write(at("file"), "").unwrap();
        let root = File::open(directory.path()).unwrap();
        for (path, links, errno) in [
            ("loop", Links::Follow, Errno::LOOP),
            ("loop", Links::Refuse, Errno::LOOP),
            ("up", Links::Follow, Errno::XDEV),
            ("up/x", Links::Refuse, Errno::LOOP),
            ("root/etc", Links::Follow, Errno::XDEV),
            ("file/x", Links::Follow, Errno::NOTDIR),
            ("missing", Links::Follow, Errno::NOENT),
        ] {
            let steps = by_steps(root.as_fd(), path.as_ref(), OFlags::RDONLY, links.into());
            assert_eq!(steps.unwrap_err(), errno, "{path}");
            let opened = open_beneath(&root, path.as_ref(), OFlags::RDONLY, links);
            assert_eq!(opened.unwrap_err(), errno, "{path}");
        }
    }
}
