//! Where a server listens, who may connect, and the key that it shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use haul_accounts::{AccountsFile, Fingerprint};
use haul_core::account::Role;
use haul_transport::tls::{ServerIdentity, TlsServer};

use crate::address::{ListenAddress, Scheme};
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::state::{StateArgs, server_key};
use crate::transport::ListenOn;

/// Where to listen, and who may connect.
#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    /// Where to listen, on every address of a name; may be repeated
    ///
    /// `hauls://HOST[:PORT]` is with TLS and `haul://HOST[:PORT]` in plain text. Without a scheme it is plain text on a
    /// loopback address and TLS elsewhere. The default port is 4286 with TLS and 4285 without; 0 picks a free one.
    /// 0.0.0.0 and [::] are all addresses of this machine.
    #[arg(long, value_name = "ADDRESS", default_values_t = [ListenAddress::default()])]
    listen: Vec<ListenAddress>,
    #[command(flatten)]
    state: StateArgs,
    /// Serve whoever is not identified too, with this role in the whole directory: read, drop, add or write
    #[arg(long, value_name = "ROLE", value_parser = role)]
    anonymous: Option<Role>,
    /// Allow --listen haul:// on addresses that other machines can reach, where everybody on the way can read and change
    /// what is sent
    #[arg(long)]
    plaintext: bool,
    /// Show the certificates in this PEM file, the server's own first, instead of a key that the server makes. They are
    /// read again when they change
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// What a server needs to know before it listens.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) listen_on: Vec<ListenOn>,
    /// The fingerprint of the key that clients see, if there is TLS.
    pub(super) fingerprint: Option<Fingerprint>,
    /// The state directory, which may be missing.
    pub(super) state: PathBuf,
    pub(super) admitted: Admitted,
    /// Whether nobody is served without an account, even if the last account is removed.
    pub(super) accounts_required: bool,
}

/// Whom a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The number of accounts.
    pub(super) accounts: usize,
    /// The role of whoever is not identified.
    pub(super) anonymous: Option<Role>,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| String::from("the roles are read, drop, add and write"))
}

impl ListenArgs {
    /// Checks what the options allow for a server of the directory `share`, and loads or makes the key.
    pub(super) fn listeners(&self, program: &str, share: &Path) -> Result<Listeners, Error> {
        let state = self.state.directory()?;
        check_state(&state, share)?;
        let users = AccountsFile::new(&state).read()?;
        let admitted = Admitted { accounts: users.accounts().len(), anonymous: self.anonymous };
        self.check(program, admitted)?;
        let tls = self.tls(&state)?;
        let layer = |scheme| match scheme {
            Scheme::Plain => None,
            Scheme::Tls => tls.as_ref().map(TlsServer::layer),
        };
        let listen_on = |at: &ListenAddress| ListenOn {
            host: at.host.clone(),
            port: at.port,
            layer: layer(at.scheme),
        };
        let is_open = self.listen.iter().any(|at| !at.is_here());
        Ok(Listeners {
            listen_on: self.listen.iter().map(listen_on).collect(),
            fingerprint: tls.as_ref().map(TlsServer::fingerprint),
            accounts_required: is_open || admitted.accounts > 0,
            admitted,
            state,
        })
    }

    /// Checks that whoever opens the directory to other machines has said for whom.
    fn check(&self, program: &str, admitted: Admitted) -> Result<(), Error> {
        let has_tls = self.listen.iter().any(|at| at.scheme == Scheme::Tls);
        if self.tls_cert.is_some() && !has_tls {
            return Err(Error::usage("--tls-cert is for listeners with TLS, and there is none")
                .advise("listen on one with --listen hauls://HOST"));
        }
        let Some(open) = self.listen.iter().find(|at| !at.is_here()) else { return Ok(()) };
        if admitted.accounts == 0 && admitted.anonymous.is_none() {
            let message = format!(
                "there are no accounts, and other machines can reach {open}: nobody could log in"
            );
            return Err(Error::usage(message).advise(format!(
                "make an account first: {program} user add NAME; or say what everybody may do: --anonymous read, drop, add or write"
            )));
        }
        let is_plain = |at: &&ListenAddress| at.scheme == Scheme::Plain && !at.is_here();
        match self.listen.iter().find(is_plain) {
            Some(plain) if !self.plaintext => {
                let encrypted = plain.host_and_port();
                let message =
                    format!("everybody on the way to {plain} could read and change what is sent");
                Err(Error::usage(message).advise(format!(
                    "use TLS: --listen hauls://{encrypted}; or allow it with --plaintext"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The server's side of TLS, if a listener has it.
    fn tls(&self, state: &Path) -> Result<Option<TlsServer>, Error> {
        if self.listen.iter().all(|at| at.scheme == Scheme::Plain) {
            return Ok(None);
        }
        let cannot = |error: &io::Error| {
            Error::new(
                Exit::Local,
                format!("cannot use the key of the server: {}", error::plain(error)),
            )
        };
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificates), Some(key)) => {
                ServerIdentity::of_files(certificates.clone(), key.clone()).map_err(|error| {
                    Error::new(Exit::Local, error::plain(&error)).advise(
                        "--tls-cert and --tls-key name PEM files, of a certificate and of its private key",
                    )
                })?
            }
            _ => ServerIdentity::of_key(&server_key(state)?).map_err(|error| cannot(&error))?,
        };
        TlsServer::new(identity).map(Some).map_err(|error| cannot(&error))
    }
}

/// Checks that no client can reach the state directory, which may be missing.
fn check_state(state: &Path, share: &Path) -> Result<(), Error> {
    let resolved = resolved(state).map_err(|error| {
        Error::new(Exit::Local, format!("{}: {}", state.display(), error::plain(&error)))
            .advise("name the directory for accounts and the server's key with --state")
    })?;
    if !resolved.starts_with(share) {
        return Ok(());
    }
    let (state, share) = (state.display(), share.display());
    let message = format!(
        "accounts and the server's key are in {state}, which is in {share}, which is served"
    );
    Err(Error::new(Exit::Local, message)
        .advise("name another directory for them with --state, or serve another one"))
}

/// The path without links, of which the last components may not exist.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for existing in path.ancestors() {
        match fs::canonicalize(existing) {
            Ok(found) => {
                return Ok(found.join(path.strip_prefix(existing).unwrap_or(Path::new(""))));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn checked(
        listen: &[&str],
        plaintext: bool,
        accounts: usize,
        anonymous: Option<Role>,
    ) -> Result<(), String> {
        let args = ListenArgs {
            listen: listen.iter().map(|at| at.parse().unwrap()).collect(),
            state: StateArgs::default(),
            anonymous,
            plaintext,
            tls_cert: None,
            tls_key: None,
        };
        let checked = args.check("haul-test", Admitted { accounts, anonymous });
        checked.map_err(|error| {
            assert_eq!(error.exit(), Exit::Usage);
            error.to_string()
        })
    }

    #[test]
    fn this_machine_needs_nothing() {
        for listen in ["127.0.0.1", "localhost:0", "[::1]", "haul://127.0.0.1", "hauls://localhost"]
        {
            assert_eq!(checked(&[listen], false, 0, None), Ok(()), "{listen}");
        }
    }

    #[test]
    fn others_need_accounts_or_a_role_and_plain_text_is_said_out_loud() {
        for listen in ["0.0.0.0", "[::]:0", "files.example", "hauls://192.0.2.1"] {
            for both in [&[listen][..], &["127.0.0.1", listen]] {
                let refused = checked(both, false, 0, None).unwrap_err();
                assert!(refused.contains("haul-test user add NAME"), "{refused}");
                assert!(refused.contains("--anonymous read, drop"), "{refused}");
                assert_eq!(checked(both, false, 1, None), Ok(()));
                assert_eq!(checked(both, false, 0, Some(Role::Read)), Ok(()));
            }
        }
        let plain = "haul://0.0.0.0";
        let refused = checked(&[plain], false, 1, None).unwrap_err();
        assert!(refused.contains("hauls://0.0.0.0:4285") && refused.contains("--plaintext"));
        assert!(checked(&[plain], true, 0, None).unwrap_err().contains("--anonymous"));
        assert_eq!(checked(&[plain], true, 1, None), Ok(()));
    }

    #[test]
    fn state_is_not_shared() {
        let place = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(place.path()).unwrap();
        let share = place.join("share");
        fs::create_dir_all(share.join("state")).unwrap();
        symlink(&share, place.join("link")).unwrap();
        for inside in
            ["share", "share/state", "share/new/state", "link", "link/new", "share/../share/x"]
        {
            let refused = check_state(&place.join(inside), &share).unwrap_err();
            assert_eq!(refused.exit(), Exit::Local);
            assert!(refused.to_string().contains("--state"), "{refused}");
        }
        for outside in ["state", "share-state/x", "new/state"] {
            assert!(check_state(&place.join(outside), &share).is_ok(), "{outside}");
        }
    }
}
