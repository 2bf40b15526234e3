//! The data: files of incompressible bytes, created once and kept for the next run.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens, syncfs};

use crate::Result;

const PIECE: usize = 1 << 20;
const SMALL_FILE: usize = 4 << 10;
const FILES_PER_DIRECTORY: usize = 100;

/// The sizes of the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The size of the big file, in bytes.
    pub(crate) big: u64,
    /// The size of the big file for a slow network, in bytes.
    pub(crate) slow: u64,
    /// The number of files of 4 KiB.
    pub(crate) small: usize,
    /// The number of files of 4 KiB for a slow network.
    pub(crate) few: usize,
    /// The number of entries of the huge directory.
    pub(crate) entries: usize,
    /// The number of idle connections.
    pub(crate) idle: usize,
    /// The number of requests whose latencies are measured.
    pub(crate) requests: usize,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        big: 1 << 30,
        slow: 256 << 20,
        small: 10_000,
        few: 1_000,
        entries: 1_000_000,
        idle: 10_000,
        requests: 2_000,
    };
    pub(crate) const QUICK: Self = Self {
        big: 32 << 20,
        slow: 4 << 20,
        small: 200,
        few: 50,
        entries: 2_000,
        idle: 100,
        requests: 100,
    };
}

/// The folder of all data.
pub(crate) struct Place {
    root: PathBuf,
    /// The number of trees that were moved away.
    old: Cell<usize>,
}

impl Place {
    pub(crate) fn make(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        for made in ["share/up", "down", "run"] {
            fs::create_dir_all(root.join(made))?;
        }
        // Servers that run as another user write there too.
        fs::set_permissions(root.join("share/up"), Permissions::from_mode(0o777))?;
        let place = Self { root, old: Cell::new(0) };
        place.clear()?;
        Ok(place)
    }

    /// Moves away what was transferred to `path`, if anything was. A tree is kept until [`clear`](Self::clear): for a
    /// minute after inodes become free, ext4 without a journal checks each of them again for every new file, and the
    /// next contender would pay for that.
    pub(crate) fn put_away(&self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            return remove(path);
        }
        let number = self.old.replace(self.old.get() + 1);
        Ok(fs::rename(path, self.old().join(number.to_string()))?)
    }

    /// Removes what was moved away.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.old())?;
        Ok(fs::create_dir(self.old())?)
    }

    fn old(&self) -> PathBuf {
        self.root.join("old")
    }

    /// The directory that every server shares.
    pub(crate) fn share(&self) -> PathBuf {
        self.root.join("share")
    }

    /// A file or directory that every server shares.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.share().join(name)
    }

    /// The directory for downloads.
    pub(crate) fn down(&self, name: &str) -> PathBuf {
        self.root.join("down").join(name)
    }

    /// The directory for the servers' own files.
    pub(crate) fn run(&self, name: &str) -> PathBuf {
        self.root.join("run").join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Syncs all file systems, so that no contender pays for the writes of another.
    pub(crate) fn settle(&self) -> Result<()> {
        Ok(syncfs(File::open(&self.root)?)?)
    }

    /// A file of this size in the shared directory.
    pub(crate) fn file(&self, name: &str, length: u64) -> Result<PathBuf> {
        let path = self.shared(name);
        if fs::metadata(&path).is_ok_and(|found| found.len() == length) {
            return Ok(path);
        }
        let mut random = fastrand::Rng::with_seed(length);
        let mut piece = vec![0; PIECE];
        let mut file = File::create(&path)?;
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left)?.min(PIECE);
            random.fill(&mut piece[..count]);
            file.write_all(&piece[..count])?;
            left -= count as u64;
        }
        Ok(path)
    }

    /// A tree of files of 4 KiB in the shared directory. No two files have the same name, even in different
    /// directories.
    pub(crate) fn small_files(&self, name: &str, count: usize) -> Result<PathBuf> {
        let path = self.shared(name);
        if self.is_made(name, count) {
            return Ok(path);
        }
        remove(&path)?;
        let mut random = fastrand::Rng::with_seed(1);
        let mut content = vec![0; SMALL_FILE];
        for number in 0..count {
            let directory = path.join(format!("d{:03}", number / FILES_PER_DIRECTORY));
            if number % FILES_PER_DIRECTORY == 0 {
                fs::create_dir_all(&directory)?;
            }
            random.fill(&mut content);
            fs::write(directory.join(format!("f{number:05}")), &content)?;
        }
        self.made(name, count)?;
        Ok(path)
    }

    /// A directory with this number of empty files in the shared directory.
    pub(crate) fn entries(&self, name: &str, count: usize) -> Result<PathBuf> {
        let path = self.shared(name);
        if self.is_made(name, count) {
            return Ok(path);
        }
        remove(&path)?;
        fs::create_dir_all(&path)?;
        for number in 0..count {
            File::create(path.join(format!("entry-{number:07}")))?;
        }
        self.made(name, count)?;
        Ok(path)
    }

    /// Whether an earlier run completed this, with this number of files.
    fn is_made(&self, name: &str, count: usize) -> bool {
        let noted =
            fs::read_to_string(self.run(name)).is_ok_and(|noted| noted == count.to_string());
        noted && self.shared(name).exists()
    }

    fn made(&self, name: &str, count: usize) -> Result<()> {
        Ok(fs::write(self.run(name), count.to_string())?)
    }

    /// Touches the memory of the machine. On a virtual machine, the first time is slow.
    pub(crate) fn warm_up(&self, length: u64) -> Result<()> {
        let path = self.down("warm-up");
        let piece = vec![1; PIECE];
        let mut file = File::create(&path)?;
        for _ in 0..length / PIECE as u64 {
            file.write_all(&piece)?;
        }
        remove(&path)
    }
}

/// Sets a new modification time, so that a server that caches something about the file sees a new one.
pub(crate) fn renew(path: &Path) -> Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    Ok(futimens(File::options().write(true).open(path)?, &times)?)
}

/// Removes a file or a tree, if it exists.
fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
    }
}

/// Checks that two files, or all files of two trees, have the same bytes.
pub(crate) fn must_be_equal(expected: &Path, found: &Path) -> Result<()> {
    if expected.is_dir() {
        let names = |path| -> Result<Vec<_>> {
            let mut names: Vec<_> =
                fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
            names.sort();
            Ok(names)
        };
        let expected_names = names(expected)?;
        if names(found)? != expected_names {
            return Err(format!("{} has not the files that it should", found.display()).into());
        }
        return expected_names
            .iter()
            .try_for_each(|name| must_be_equal(&expected.join(name), &found.join(name)));
    }
    let mut files = [expected, found]
        .map(|path| Ok(BufReader::with_capacity(0, File::open(path)?)) as Result<_>);
    let [Ok(expected_file), Ok(found_file)] = &mut files else {
        return Err(format!("{} did not arrive", found.display()).into());
    };
    let mut pieces = [vec![0; PIECE], vec![0; PIECE]];
    loop {
        let [first, second] = &mut pieces;
        let count = fill(expected_file, first)?;
        if fill(found_file, second)? != count || first[..count] != second[..count] {
            return Err(format!("{} has other bytes", found.display()).into());
        }
        if count == 0 {
            return Ok(());
        }
    }
}

fn fill(from: &mut impl Read, space: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < space.len() {
        match from.read(&mut space[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
