//! The file in which a key is kept.
//!
//! Beside `NAME.key` lies `NAME.fingerprint`. Whoever finds it without the key, or with another one, knows that the key
//! was lost, and that a new one would be a new identity, which the other side would refuse or not know.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use haul_accounts::Fingerprint;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use tempfile::NamedTempFile;

use super::key::Key;

/// The most bytes of a file with a key or a fingerprint.
const MAX_SIZE: u64 = 64 << 10;

/// Why the key of a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There was a key, and it is gone.
    #[error(
        "the key {known} is gone from {}. Put it back from a copy, or remove {} to begin with a new key, by which \
         nobody will know you",
        .path.display(), .marker.display()
    )]
    Lost {
        /// Where the key was.
        path: PathBuf,
        /// Where its fingerprint is.
        marker: PathBuf,
        /// The fingerprint of the key.
        known: Fingerprint,
    },
    /// The key is not the one that was there before.
    #[error(
        "the key in {} is {found}, but it was {known}. Put the old one back, or remove {} to keep this one, by which \
         nobody may know you",
        .path.display(), .marker.display()
    )]
    Changed {
        /// Where the key is.
        path: PathBuf,
        /// Where the fingerprint of the former key is.
        marker: PathBuf,
        /// The fingerprint of the former key.
        known: Fingerprint,
        /// The fingerprint of the key.
        found: Fingerprint,
    },
    /// Others can read or replace the key.
    #[error("{}: others have access to it (mode {mode:03o}); restrict it with: chmod go-rwx", .path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key belongs to another user.
    #[error("{}: it belongs to user {owner}, not to user {user}, who runs this", .path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// The user that it belongs to.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// There is something else in the file.
    #[error("{}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system failed.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        #[source]
        error: io::Error,
    },
}

impl Key {
    /// The key in the file at `path`. If there is none, and was none, it creates one, and missing directories with it.
    /// Only this user may have access to the file, and only he or root may write to its directory.
    ///
    /// # Errors
    /// If the key was lost, is another one than before, is accessible to others, or cannot be read or written.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed(directory))?;
        check_directory(directory)?;
        let marker = path.with_extension("fingerprint");
        let known = read_marker(&marker)?;
        let key = match (read_key(path)?, known) {
            (Some(key), _) => key,
            (None, Some(known)) => {
                return Err(KeyFileError::Lost { path: path.into(), marker, known });
            }
            (None, None) => create(path, directory)?,
        };
        let found = key.fingerprint();
        match known {
            None => write_marker(&marker, directory, found)?,
            Some(known) if known != found => {
                return Err(KeyFileError::Changed { path: path.into(), marker, known, found });
            }
            Some(_) => {}
        }
        Ok(key)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    move |error| KeyFileError::Io { path: path.into(), error }
}

fn check_directory(directory: &Path) -> Result<(), KeyFileError> {
    const OTHERS_WRITE: u32 = 0o022;
    let metadata = fs::metadata(directory).map_err(failed(directory))?;
    check_owner(directory, &metadata, true)?;
    check_mode(directory, &metadata, OTHERS_WRITE)
}

fn check_owner(path: &Path, metadata: &fs::Metadata, or_root: bool) -> Result<(), KeyFileError> {
    let (owner, user) = (metadata.uid(), geteuid().as_raw());
    if owner == user || (or_root && owner == 0) {
        return Ok(());
    }
    Err(KeyFileError::Foreign { path: path.into(), owner, user })
}

fn check_mode(path: &Path, metadata: &fs::Metadata, denied: u32) -> Result<(), KeyFileError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & denied == 0 {
        return Ok(());
    }
    Err(KeyFileError::Exposed { path: path.into(), mode })
}

/// Opens a file, if there is one. Nothing but a regular file is waited for or followed.
fn open(path: &Path) -> Result<Option<(File, fs::Metadata)>, KeyFileError> {
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed(path))?,
    };
    let metadata = file.metadata().map_err(failed(path))?;
    if !metadata.is_file() {
        return Err(KeyFileError::Malformed { path: path.into(), reason: "it is no file".into() });
    }
    Ok(Some((file, metadata)))
}

fn read(path: &Path, file: File) -> Result<String, KeyFileError> {
    let mut text = String::new();
    file.take(MAX_SIZE).read_to_string(&mut text).map_err(failed(path))?;
    Ok(text)
}

fn read_key(path: &Path) -> Result<Option<Key>, KeyFileError> {
    const OTHERS: u32 = 0o077;
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    check_owner(path, &metadata, false)?;
    check_mode(path, &metadata, OTHERS)?;
    let malformed = |error: io::Error| KeyFileError::Malformed {
        path: path.into(),
        reason: format!("there is no private key in it: {error}"),
    };
    Key::from_pem(&read(path, file)?).map(Some).map_err(malformed)
}

fn read_marker(path: &Path) -> Result<Option<Fingerprint>, KeyFileError> {
    let Some((file, _)) = open(path)? else { return Ok(None) };
    let fingerprint = read(path, file)?.trim_end().parse();
    fingerprint.map(Some).map_err(|error: haul_accounts::FingerprintError| {
        KeyFileError::Malformed { path: path.into(), reason: error.to_string() }
    })
}

/// Creates the file with a new key; or reads it, if another process has just created it.
fn create(path: &Path, directory: &Path) -> Result<Key, KeyFileError> {
    let key = Key::generate().map_err(failed(path))?;
    match write(path, directory, key.to_pem().as_bytes(), false) {
        Err(KeyFileError::Io { error, .. }) if error.kind() == ErrorKind::AlreadyExists => {
            read_key(path)?.ok_or_else(|| failed(path)(ErrorKind::NotFound.into()))
        }
        written => written.map(|()| key),
    }
}

fn write_marker(path: &Path, directory: &Path, known: Fingerprint) -> Result<(), KeyFileError> {
    write(path, directory, format!("{known}\n").as_bytes(), true)
}

/// Writes a file, whole and on stable storage, or not at all. Nobody else may read it.
fn write(path: &Path, directory: &Path, bytes: &[u8], replace: bool) -> Result<(), KeyFileError> {
    let written = || {
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        if replace { file.persist(path) } else { file.persist_noclobber(path) }?;
        File::open(directory)?.sync_all()
    };
    written().map_err(failed(path))
}
