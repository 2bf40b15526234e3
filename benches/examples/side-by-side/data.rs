//! What is moved: files of bytes that cannot be compressed, made once and kept for the next run.

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

/// How much is moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of the big file.
    pub(crate) big: u64,
    /// Bytes of the one that goes over a slow network.
    pub(crate) slow: u64,
    /// Files of 4 KiB.
    pub(crate) small: usize,
    /// Files of 4 KiB that go over a slow network.
    pub(crate) few: usize,
    /// Entries of the huge directory.
    pub(crate) entries: usize,
    /// Connections that say nothing.
    pub(crate) idle: usize,
    /// Requests of which the slowest are looked for.
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

/// The folder that all of it is in.
pub(crate) struct Place {
    root: PathBuf,
    /// Trees that were put away.
    old: Cell<usize>,
}

impl Place {
    pub(crate) fn make(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        for made in ["share/up", "down", "run"] {
            fs::create_dir_all(root.join(made))?;
        }
        // Servers with a user of their own write there too.
        fs::set_permissions(root.join("share/up"), Permissions::from_mode(0o777))?;
        let place = Self { root, old: Cell::new(0) };
        place.clear()?;
        Ok(place)
    }

    /// Takes away what was brought to `path`, if anything was. A tree is kept until [`clear`](Self::clear): for a minute after inodes became free, ext4 without a journal looks at
    /// each of them again for every new file, and the next contender would pay for that.
    pub(crate) fn put_away(&self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            return remove(path);
        }
        let number = self.old.replace(self.old.get() + 1);
        Ok(fs::rename(path, self.old().join(number.to_string()))?)
    }

    /// Removes what was put away.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.old())?;
        Ok(fs::create_dir(self.old())?)
    }

    fn old(&self) -> PathBuf {
        self.root.join("old")
    }

    /// What every server shares.
    pub(crate) fn share(&self) -> PathBuf {
        self.root.join("share")
    }

    /// A file or directory that every server shares.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.share().join(name)
    }

    /// Where downloads go.
    pub(crate) fn down(&self, name: &str) -> PathBuf {
        self.root.join("down").join(name)
    }

    /// Where servers keep what they need to run.
    pub(crate) fn run(&self, name: &str) -> PathBuf {
        self.root.join("run").join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Brings everything to the disk, so that nobody pays for what another one wrote.
    pub(crate) fn settle(&self) -> Result<()> {
        Ok(syncfs(File::open(&self.root)?)?)
    }

    /// A file of so many bytes in the shared directory.
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

    /// A tree of files of 4 KiB in the shared directory. No two have the same name, not even in different directories.
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

    /// A directory of so many empty files in the shared directory.
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

    /// Whether this was made to its end, with so many files, by a run before.
    fn is_made(&self, name: &str, count: usize) -> bool {
        let noted =
            fs::read_to_string(self.run(name)).is_ok_and(|noted| noted == count.to_string());
        noted && self.shared(name).exists()
    }

    fn made(&self, name: &str, count: usize) -> Result<()> {
        Ok(fs::write(self.run(name), count.to_string())?)
    }

    /// Has the machine touch its memory: where that is virtual, the first time is slow.
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

/// Gives a file a new time of modification: for whoever remembers things about files it is another one.
pub(crate) fn renew(path: &Path) -> Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    Ok(futimens(File::options().write(true).open(path)?, &times)?)
}

/// Removes a file or a tree, if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
    }
}

/// Makes sure that two files, or all files of two trees, have the same bytes.
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
