//! The words behind a command name: names on the server, files here, and the server itself.
//!
//! A name may be a whole address: `get haul://host/a` is `--server haul://host get a`. All of a
//! command's addresses name one server, since it has one connection. Where files may stand beside
//! names, as with `cp` and `scp`, the last word says where everything goes.
//!
//! The server is the one that is named there, else that of `--server`, else that of `HAUL_SERVER`,
//! else this machine's. What does not count is not looked at: a `HAUL_SERVER` that cannot be read
//! troubles nobody who names a server or needs none.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::address::{Address, ServerAddress};
use crate::app::App;
use crate::error::Error;

/// The variable that names the server.
const VARIABLE: &str = "HAUL_SERVER";

/// What to bring, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromServer {
    /// Names on the server.
    pub(crate) names: Vec<String>,
    /// The file or directory here, if the last word said it.
    pub(crate) here: Option<PathBuf>,
}

/// What to send, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToServer {
    /// Files here.
    pub(crate) files: Vec<PathBuf>,
    /// The name on the server, if the last word said it.
    pub(crate) name: Option<String>,
}

impl<T> App<'_, T> {
    /// Chooses the server that was not named among the words.
    pub(crate) fn choose_server(&mut self) -> Result<(), Error> {
        let server = match &self.settings.server {
            Some(server) => server.clone(),
            None => from_environment(env::var_os(VARIABLE))?,
        };
        self.directory.clone_from(&server.base);
        self.server = server;
        Ok(())
    }

    /// Chooses the server of a name that may be a whole address, and gives the name there.
    pub(crate) fn name_on_server(&mut self, word: Option<&str>) -> Result<Option<String>, Error> {
        let Some(word) = word else {
            self.choose_server()?;
            return Ok(None);
        };
        let FromServer { mut names, .. } = self.names_to_get(&[word.to_owned()])?;
        Ok(names.pop())
    }

    /// Chooses the server of names that may be whole addresses. If they are, a last word that is
    /// none is the destination here.
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

    /// Chooses the server of names that may be whole addresses, and gives the names there.
    pub(crate) fn names_on_server(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        if !words.iter().any(|word| Address::is_whole(word)) {
            self.choose_server()?;
            return Ok(words.to_vec());
        }
        let names = self.names_of_addresses(words)?.into_iter();
        Ok(names.map(|name| if name.is_empty() { String::from("/") } else { name }).collect())
    }

    /// Chooses the server of whole addresses, and gives the names there. That of an address without a path is empty.
    fn names_of_addresses(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        let mut chosen: Option<ServerAddress> = None;
        let mut names = Vec::with_capacity(words.len());
        for word in words {
            if !Address::is_whole(word) {
                let message = format!("{word}: a name without a server among whole addresses");
                return Err(Error::usage(message).advise("write all of them in one way"));
            }
            let address = address(word)?;
            let server = address.server();
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

    /// Chooses the server of files that go to the address that the last word may be.
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
        self.named_server(address.server())?;
        let name = if address.name.is_empty() { String::from("/") } else { address.name };
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
    word.parse().map_err(|error| Error::usage(format!("{word}: {error}")))
}

/// The server of the environment. An empty variable is as good as none.
fn from_environment(value: Option<OsString>) -> Result<ServerAddress, Error> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(ServerAddress::default());
    };
    let value = value.to_string_lossy();
    value.parse().map_err(|error| {
        Error::usage(format!("{VARIABLE} is {value:?}: {error}"))
            .advise("mend or unset it, or name the server with --server")
    })
}
