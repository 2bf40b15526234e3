//! `login`: makes a server and this client known to each other.

use clap::Args;
use haul_core::account::{Proof, Secret};
use serde::Serialize;

use crate::address::Invitation;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::identity::Credentials;
use crate::transport::Transport;
use crate::trust::{self, ConfigDirectory, KnownBy};

/// Introduce yourself to a server, which later commands then ask unless they name another
///
/// With the line that its operator has for you, this is all: the server is known by its fingerprint from now on, and you are known by a key that is made for you, once.
/// Without an invitation a password is asked for, here and by each later command, since it is not kept.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// What the operator gave you, `hauls://USER@HOST[:PORT]/#SHA256:…,invite=…`; or `hauls://USER@HOST[:PORT]` to log in with a password
    // A secret, since there may be one in it.
    #[arg(value_name = "ADDRESS", value_parser = typed)]
    address: Secret,
    /// Take the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

impl LoginArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.password_stdin
    }
}

/// The result for programs.
#[derive(Debug, Serialize)]
struct LoginRecord<'a> {
    user: &'a str,
    server: &'a str,
}

fn typed(text: &str) -> Result<Secret, String> {
    Secret::new(text.to_owned()).ok_or_else(|| String::from("this is no address"))
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &LoginArgs) -> Result<(), Error> {
    let Invitation { server, secret } = args
        .address
        .expose()
        .parse()
        .map_err(|error| Error::usage(format!("the address: {error}")))?;
    if app.settings.server.is_some() {
        return Err(Error::usage("login takes an address, and no --server"));
    }
    let Some(user) = server.user.clone() else {
        return Err(Error::usage(format!("{server}: who are you there?"))
            .advise("write it in front of the host: hauls://USER@HOST"));
    };
    if secret.is_some() && args.password_stdin {
        return Err(
            Error::usage("an invitation needs no password").advise("leave out --password-stdin")
        );
    }
    let invited = secret.is_some();
    let config = ConfigDirectory::required()?;
    // What is wrong here is to be told before an invitation is used up.
    config.key_or_new()?;
    let known_by = trust::tls(&server, app.settings.ca.as_deref())?.known_by;
    app.server = server.clone();
    let proof = match secret {
        Some(secret) => Some(Proof::Invite(secret)),
        None if args.password_stdin => Some(Proof::Password(app.console.secret_from_stdin()?)),
        None => None,
    };
    app.credentials = proof.map(|proof| Credentials { user: user.clone(), proof });
    let has_proof = app.credentials.is_some();
    app.connect().map_err(|error| match error.exit() {
        Exit::Unauthenticated if !has_proof => error.advise(
            "paste the line that its operator has for you, or give a password, on a terminal or with --password-stdin",
        ),
        _ => error,
    })?;
    // It is the server that has this key.
    let replaced = match server.pin {
        Some(pin) => config.known_hosts().set(&server, pin)?,
        None => None,
    };
    config.set_default_server(&server)?;
    if let Some(replaced) = replaced {
        app.note(format_args!("{server} was known by another key before, {replaced}"));
    }
    let at = server.bare().to_string();
    let record = LoginRecord { user: user.as_str(), server: &at };
    app.result(format_args!("you are {user} at {at}"), &record)?;
    if !invited && app.credentials.is_some() {
        app.note(
            "the password is not kept: each command will ask for it; with an invitation none would",
        );
    }
    if known_by == KnownBy::Authorities {
        app.note("the server is known by its certificate: each command needs --ca too");
    }
    Ok(())
}
