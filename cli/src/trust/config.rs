//! What this client keeps: `$XDG_CONFIG_HOME/haul`, or `~/.config/haul`.
//!
//! `key.pem` is its key, which `login` makes. `known-hosts` has the fingerprints of servers. `default` is the address of
//! the server that commands ask unless they are told another.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy as _, Xdg};
use haul_transport::tls::Key;
use tempfile::NamedTempFile;

use super::KnownHosts;
use crate::address::ServerAddress;
use crate::error::{self, Error};
use crate::exit::Exit;

/// The most bytes that a file here may have.
const MAX_SIZE: u64 = 16 << 20;

/// The directory of what this client keeps.
#[derive(Debug, Clone)]
pub(crate) struct ConfigDirectory(PathBuf);

impl ConfigDirectory {
    /// The directory of the user who runs this program; `None` if there is no home directory.
    pub(crate) fn find() -> Option<Self> {
        // As for the state directory, an empty HOME is no home.
        let config = Some(Xdg::new().ok()?.config_dir()).filter(|path| path.is_absolute())?;
        Some(Self(config.join("haul")))
    }

    /// The same, for a command that cannot do without it.
    pub(crate) fn required() -> Result<Self, Error> {
        Self::find().ok_or_else(|| {
            Error::new(Exit::Local, "there is no place for what is to be kept: no home directory")
                .advise("set HOME, or XDG_CONFIG_HOME")
        })
    }

    #[cfg(test)]
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The client's key, if it has one.
    pub(crate) fn key(&self) -> Result<Option<Key>, Error> {
        let path = self.key_path();
        // Its fingerprint stays behind when a key is lost, which is to be told.
        for path in [&path, &path.with_extension("fingerprint")] {
            match path.try_exists() {
                Ok(true) => return self.key_or_new().map(Some),
                Ok(false) => {}
                Err(error) => return Err(failed(path, &error)),
            }
        }
        Ok(None)
    }

    /// The client's key. If it has none, and had none, one is made.
    pub(crate) fn key_or_new(&self) -> Result<Key, Error> {
        let made = Key::load_or_create(&self.key_path());
        made.map_err(|error| Error::new(Exit::Local, format!("your key: {error}")))
    }

    fn key_path(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    /// The servers that are known by their fingerprints.
    pub(crate) fn known_hosts(&self) -> KnownHosts {
        KnownHosts::new(self.0.join("known-hosts"))
    }

    /// The server that commands ask unless they are told another.
    pub(crate) fn default_server(&self) -> Result<Option<ServerAddress>, Error> {
        let path = self.default_path();
        let Some(text) = read(&path)? else { return Ok(None) };
        text.trim_end().parse().map(Some).map_err(|error| {
            Error::new(Exit::Local, format!("{}: {error}", path.display()))
                .advise("mend or remove it, or name the server with --server")
        })
    }

    /// Has commands ask `server` unless they are told another.
    pub(crate) fn set_default_server(&self, server: &ServerAddress) -> Result<(), Error> {
        replace(&self.default_path(), &format!("{server}\n"))
    }

    fn default_path(&self) -> PathBuf {
        self.0.join("default")
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Error {
    let message = format!("{}: {}", path.display(), error::plain(error));
    Error::new(Exit::Local, message).advise("you must be able to read and write there")
}

/// The text of a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_SIZE).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Writes a file, whole and on stable storage, or not at all. Nobody else may read it.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let written = || {
        make(directory)?;
        // Somebody may keep the file elsewhere, and a link to it here.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = path.parent().unwrap_or(directory);
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(directory)?.sync_all()
    };
    written().map_err(|error: io::Error| failed(path, &error))
}

/// Makes a directory for this user alone, if it is missing.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_default_server_is_kept_as_it_is_read() {
        let place = tempfile::tempdir().unwrap();
        let config = ConfigDirectory::at(&place.path().join("a/haul"));
        assert_eq!(config.default_server().unwrap(), None);
        let server: ServerAddress = "hauls://alice@h:1/b".parse().unwrap();
        config.set_default_server(&server).unwrap();
        assert_eq!(config.default_server().unwrap(), Some(server));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&config.0), mode(&config.default_path())), (0o700, 0o600));
        fs::write(config.default_path(), "ftp://h\n").unwrap();
        let error = config.default_server().unwrap_err();
        assert_eq!(error.exit(), Exit::Local);
        assert!(error.to_string().contains("default: only haul:// and hauls://"), "{error}");
    }

    #[test]
    fn a_key_is_made_once_and_its_loss_is_told() {
        let place = tempfile::tempdir().unwrap();
        let config = ConfigDirectory::at(&place.path().join("haul"));
        assert!(config.key().unwrap().is_none());
        let made = config.key_or_new().unwrap().fingerprint();
        assert_eq!(config.key().unwrap().unwrap().fingerprint(), made);
        fs::remove_file(config.key_path()).unwrap();
        let error = config.key().unwrap_err();
        assert_eq!(error.exit(), Exit::Local);
        let shown = error.to_string();
        assert!(shown.contains("is gone") && shown.contains(&made.to_string()), "{shown}");
        assert!(config.key_or_new().is_err(), "a new identity was made");
    }
}
