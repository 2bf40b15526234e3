//! The directory in which a server keeps its own files: its accounts and its key.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::Args;
use etcetera::base_strategy::{BaseStrategy, Xdg};
use haul_transport::tls::{Key, KeyFileError};

use crate::error::{self, Error};
use crate::exit::Exit;

/// The option that names the directory.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StateArgs {
    /// The directory of the server's accounts and key [default: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/haul`, else ~/.local/state/haul]
    ///
    /// It is made when something is first written there. It must belong to the user who runs this, and nobody else may write in it. systemd sets `STATE_DIRECTORY` for a service that has a `StateDirectory`.
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl StateArgs {
    /// The directory. It may be missing.
    pub(crate) fn directory(&self) -> Result<PathBuf, Error> {
        let named = || self.state.clone();
        let of_service = || first(&env::var_os("STATE_DIRECTORY")?);
        named().or_else(of_service).or_else(of_user).ok_or_else(|| {
            Error::new(Exit::Local, "there is no home directory to keep accounts in")
                .advise("name a directory with --state")
        })
    }
}

/// The key by which clients know the server. It is made at its first use.
pub(crate) fn server_key(state: &Path) -> Result<Key, Error> {
    Key::load_or_create(&state.join("server.key")).map_err(|error| {
        let told = |message: String| Error::new(Exit::Local, message);
        match &error {
            KeyFileError::Foreign { .. } => told(error.to_string())
                .advise("run this as the user who runs the server; --state names another directory"),
            KeyFileError::Malformed { .. } => told(error.to_string()).advise(
                "put the key back from a copy; without one, remove it and its fingerprint to begin with a new key",
            ),
            KeyFileError::Io { path, error } => {
                told(format!("{}: {}", path.display(), error::plain(error)))
                    .advise("the server's key is kept there; --state names another directory")
            }
            // They say it themselves.
            _ => told(error.to_string()),
        }
    })
}

/// The first of the directories that a service has; systemd separates them by colons.
fn first(directories: &OsStr) -> Option<PathBuf> {
    let first = directories.as_bytes().split(|byte| *byte == b':').next()?;
    (!first.is_empty()).then(|| OsString::from_vec(first.to_vec()).into())
}

fn of_user() -> Option<PathBuf> {
    let state = Xdg::new().ok()?.state_dir()?;
    // An empty HOME is no home.
    state.is_absolute().then(|| state.join("haul"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_of_a_service_counts() {
        for (variable, directory) in [
            ("/var/lib/haul", Some("/var/lib/haul")),
            ("/var/lib/haul:/var/lib/other", Some("/var/lib/haul")),
            ("", None),
            (":/x", None),
        ] {
            assert_eq!(first(OsStr::new(variable)), directory.map(PathBuf::from), "{variable}");
        }
    }
}
