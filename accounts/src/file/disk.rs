//! The accounts file on the disk: who may touch it, how it is read, locked and replaced.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::AccountsError;

const MAX_BYTES: u64 = 16 << 20;
const MODE: u32 = 0o600;
/// What a lock file says once there were accounts.
const THERE_WERE_ACCOUNTS: &[u8] =
    b"There were accounts: if accounts.toml is missing, it was lost.\n";

/// The accounts file of a state directory.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    state: PathBuf,
    path: PathBuf,
    new: PathBuf,
    lock: PathBuf,
}

/// The right to replace the file, of one thread of one process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// By what one sees that a file is another one, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Missing,
    Unreadable(ErrorKind),
    There { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
}

impl Disk {
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            path: state.join("accounts.toml"),
            new: state.join("accounts.toml.new"),
            lock: state.join("accounts.lock"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn look(&self) -> Seen {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) => Seen::There {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Seen::Missing,
            Err(error) => Seen::Unreadable(error.kind()),
        }
    }

    /// The content of the file; `None` if there never was one.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, AccountsError> {
        match fs::metadata(&self.state) {
            // Whoever may write there can replace the file.
            Ok(metadata) => check(&self.state, &metadata, 0o755)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &self.state)(error)),
        }
        // A pipe must not be waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened =
            OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&self.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return if self.there_were_accounts() { Err(self.gone()) } else { Ok(None) };
            }
            Err(error) => return Err(failed("read", &self.path)(error)),
        };
        let metadata = file.metadata().map_err(failed("read", &self.path))?;
        if !metadata.is_file() {
            return Err(AccountsError::NotAFile { path: self.path.clone() });
        }
        check(&self.path, &metadata, MODE)?;
        let mut content = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(failed("read", &self.path))?;
        if content.len() as u64 > MAX_BYTES {
            return Err(AccountsError::NotAFile { path: self.path.clone() });
        }
        Ok(Some(content))
    }

    pub(crate) fn gone(&self) -> AccountsError {
        AccountsError::Gone { path: self.path.clone(), lock: self.lock.clone() }
    }

    fn there_were_accounts(&self) -> bool {
        fs::symlink_metadata(&self.lock).is_ok_and(|lock| lock.size() > 0)
    }

    /// Waits until nobody else holds the lock. Makes the state directory if necessary.
    pub(crate) fn lock(&self) -> Result<Lock, AccountsError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.state);
        made.map_err(failed("create", &self.state))?;
        let lock = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.lock)
            .map_err(failed("write", &self.lock))?;
        lock.lock().map_err(failed("lock", &self.lock))?;
        Ok(Lock(lock))
    }

    /// Replaces the file in one step, so that a crash leaves the old one or the new one.
    pub(crate) fn write(&self, lock: &Lock, content: &str) -> Result<(), AccountsError> {
        match fs::remove_file(&self.new) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", &self.new)(error));
            }
            _ => {}
        }
        let written =
            OpenOptions::new().write(true).create_new(true).mode(MODE).open(&self.new).and_then(
                |mut file| {
                    file.write_all(content.as_bytes())?;
                    file.sync_all()
                },
            );
        written.map_err(failed("write", &self.new))?;
        fs::rename(&self.new, &self.path).map_err(failed("replace", &self.path))?;
        let synced = File::open(&self.state).and_then(|state| state.sync_all());
        synced.map_err(failed("sync", &self.state))?;
        if !self.there_were_accounts() {
            (&lock.0).write_all(THERE_WERE_ACCOUNTS).map_err(failed("write", &self.lock))?;
        }
        Ok(())
    }
}

/// Whether a file or a directory is ours, and nobody has more access than `wanted`.
fn check(path: &Path, metadata: &Metadata, wanted: u32) -> Result<(), AccountsError> {
    let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != us {
        return Err(AccountsError::Owner { path: path.to_owned(), owner, us });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 & !wanted != 0 {
        return Err(AccountsError::Mode { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AccountsError {
    move |source| AccountsError::Io { doing, path: path.to_owned(), source }
}
