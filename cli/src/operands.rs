//! The operands of a command: names on the server, local files, and the server itself.
//!
//! A name may be a whole address: `get haul://host/a` is `--server haul://host get a`. All addresses of a command name
//! one server, because it has one connection. Where files may stand beside names, as with `cp` and `scp`, the last
//! operand is the destination.
//!
//! The server is that of the operands, or else of `--server`, of `HAUL_SERVER`, of the last login, or this machine's.
//! What does not count is not parsed: an invalid `HAUL_SERVER` does not matter to a command that names a server or needs
//! none.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::address::{Address, ServerAddress, without_invitation};
use crate::app::App;
use crate::error::Error;
use crate::trust::ConfigDirectory;

/// The variable that names the server.
const VARIABLE: &str = "HAUL_SERVER";

/// The files to download, and their destination.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromServer {
    /// Names on the server.
    pub(crate) names: Vec<String>,
    /// The local file or directory, if the last operand named it.
    pub(crate) here: Option<PathBuf>,
}

/// The files to upload, and their destination.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToServer {
    /// Local files.
    pub(crate) files: Vec<PathBuf>,
    /// The name on the server, if the last operand named it.
    pub(crate) name: Option<String>,
}

impl<T> App<'_, T> {
    /// Chooses the server if no operand names one.
    pub(crate) fn choose_server(&mut self) -> Result<(), Error> {
        let server = match &self.settings.server {
            Some(server) => server.clone(),
            None => from_environment(env::var_os(VARIABLE))?.map_or_else(default, Ok)?,
        };
        self.directory.clone_from(&server.base);
        self.server = server;
        Ok(())
    }

    /// Chooses the server of a name that may be a whole address, and returns the name there.
    pub(crate) fn name_on_server(&mut self, word: Option<&str>) -> Result<Option<String>, Error> {
        let Some(word) = word else {
            self.choose_server()?;
            return Ok(None);
        };
        let FromServer { mut names, .. } = self.names_to_get(&[word.to_owned()])?;
        Ok(names.pop())
    }

    /// Chooses the server of names that may be whole addresses. If they are, and the last operand is not, it is the
    /// local destination.
    pub(crate) fn names_to_get(&mut self, words: &[String]) -> Result<FromServer, Error> {
        if !words.iter().any(|word| Address::is_whole(word)) {
            self.choose_server()?;
            return Ok(FromServer { names: words.to_vec(), here: None });
        }
        let (words, here) = match words {
            [names @ .., last] if !Address::is_whole(last) => (names, Some(PathBuf::from(last))),
            names => (names, None),
        };
        Ok(FromServer { names: self.names_of_addresses(words)?, here })
    }

    /// Chooses the server of names that may be whole addresses, and returns the names there.
    pub(crate) fn names_on_server(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        if !words.iter().any(|word| Address::is_whole(word)) {
            self.choose_server()?;
            return Ok(words.to_vec());
        }
        let names = self.names_of_addresses(words)?.into_iter();
        Ok(names.map(|name| if name.is_empty() { String::from("/") } else { name }).collect())
    }

    /// Chooses the server of whole addresses, and returns the names there. The name of an address without a path is
    /// empty.
    fn names_of_addresses(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        let mut chosen: Option<ServerAddress> = None;
        let mut names = Vec::with_capacity(words.len());
        for word in words {
            if !Address::is_whole(word) {
                let message = format!("{word}: a name without a server among whole addresses");
                return Err(Error::usage(message).advise("write all of them in one way"));
            }
            let address = address(word)?;
            let server = address.server;
            if let Some(other) = chosen.as_ref().filter(|other| **other != server) {
                let message = format!("{word}: another name is on {other}");
                return Err(Error::usage(message).advise("one command is for one server"));
            }
            chosen = Some(server);
            names.push(address.name);
        }
        self.named_server(chosen.unwrap_or_default())?;
        Ok(names)
    }

    /// Chooses the server of files to upload. The last operand may be the address of their destination.
    pub(crate) fn files_to_put(&mut self, words: &[PathBuf]) -> Result<ToServer, Error> {
        let (files, last) = match words.split_last() {
            Some((last, files)) if let Some(last) = whole(last) => (files, Some(last)),
            _ => (words, None),
        };
        if let Some(word) = files.iter().find_map(|file| whole(file)) {
            let message = format!("{word}: this is no file here");
            return Err(Error::usage(message).advise("an address stands last, behind the files"));
        }
        let Some(last) = last else {
            self.choose_server()?;
            return Ok(ToServer { files: files.to_vec(), name: None });
        };
        if files.is_empty() {
            let message = format!("{last}: no file is named that goes there");
            return Err(Error::usage(message).advise("name the files here first"));
        }
        let address = address(last)?;
        let Address { server, name } = address;
        self.named_server(server)?;
        let name = if name.is_empty() { String::from("/") } else { name };
        Ok(ToServer { files: files.to_vec(), name: Some(name) })
    }

    fn named_server(&mut self, server: ServerAddress) -> Result<(), Error> {
        if let Some(other) = self.settings.server.as_ref().filter(|other| **other != server) {
            let message = format!("--server says {other}, a name {server}");
            return Err(Error::usage(message).advise("name the server once"));
        }
        self.directory.clone_from(&server.base);
        self.server = server;
        Ok(())
    }
}

fn whole(word: &Path) -> Option<&str> {
    word.to_str().filter(|word| Address::is_whole(word))
}

fn address(word: &str) -> Result<Address, Error> {
    word.parse().map_err(|error| Error::usage(format!("{}: {error}", without_invitation(word))))
}

/// The server of the environment. An empty variable counts as unset.
fn from_environment(value: Option<OsString>) -> Result<Option<ServerAddress>, Error> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    value.parse().map(Some).map_err(|error| {
        let value = without_invitation(&value);
        Error::usage(format!("{VARIABLE} is {value:?}: {error}"))
            .advise("correct or unset it, or name the server with --server")
    })
}

/// The server of the last login, or this machine's.
fn default() -> Result<ServerAddress, Error> {
    let known = ConfigDirectory::find().map(|config| config.default_server()).transpose()?;
    Ok(known.flatten().unwrap_or_default())
}
