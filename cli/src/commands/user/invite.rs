//! `user invite`: the line by which a user logs in for the first time.

use std::net::IpAddr;
use std::path::Path;

use clap::Args;
use haul_accounts::AccountsFile;
use haul_core::account::{Secret, UserName};
use rustix::system::uname;

use super::account::{account, now};
use super::record::AccountRecord;
use crate::address::{AddressError, ListenAddress, Scheme, ServerAddress};
use crate::app::App;
use crate::commands::serve::own_addresses;
use crate::error::Error;
use crate::exit::Exit;
use crate::state::server_key;
use crate::transport::Transport;

/// Invite a user
///
/// It prints one line to be pasted on the user's machine, which then has a key that identifies the user, and knows this server. It works once, within 24 hours. Send it where nobody else reads it.
#[derive(Debug, Args)]
pub(super) struct InviteArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    #[command(flatten)]
    address: AddressArgs,
}

/// Where users find the server.
#[derive(Debug, Args)]
pub(super) struct AddressArgs {
    /// Where the user finds this server [default: an address of this machine, or its name; port 4286]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = address)]
    address: Option<ListenAddress>,
}

/// The server, as an invited user finds and knows it.
pub(super) struct Server {
    address: ServerAddress,
    /// Other addresses of this machine that it may be found at as well.
    others: Vec<IpAddr>,
}

impl AddressArgs {
    /// The server with this state.
    pub(super) fn server(&self, state: &Path, user: &UserName) -> Result<Server, Error> {
        let pin = Some(server_key(state)?.fingerprint());
        let at = |host, port| ServerAddress {
            scheme: Scheme::Tls,
            user: Some(user.clone()),
            host,
            port,
            base: None,
            pin,
        };
        if let Some(ListenAddress { host, port, .. }) = &self.address {
            return Ok(Server { address: at(host.clone(), *port), others: Vec::new() });
        }
        let mut own = own_addresses().into_iter();
        let host = match own.next() {
            Some(address) => address.to_string(),
            None => uname().nodename().to_string_lossy().into_owned(),
        };
        let address = at(host, Scheme::Tls.default_port());
        Ok(Server { address, others: own.collect() })
    }
}

/// Reads the address of a server with TLS.
fn address(text: &str) -> Result<ListenAddress, AddressError> {
    let at: ListenAddress = format!("hauls://{text}").parse()?;
    if at.port == 0 { Err(AddressError::PortZero) } else { Ok(at) }
}

/// What the user pastes into a shell; `None` if no shell takes it.
fn login(program: &str, server: &ServerAddress, invitation: &Secret) -> Option<String> {
    let url = format!("{},invite={}", server.pinned(), invitation.expose());
    Some(format!("{program} login {}", shlex::try_quote(&url).ok()?))
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    state: &Path,
    file: &AccountsFile,
    args: &InviteArgs,
) -> Result<(), Error> {
    let InviteArgs { user, address } = args;
    if account(file, user)?.disabled {
        return Err(Error::new(Exit::Local, format!("{user} is disabled"))
            .advise("user enable lets the user in again"));
    }
    let server = address.server(state, user)?;
    invite(app, file, user, &server)
}

/// Invites a user, and prints the line.
pub(super) fn invite<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    user: &UserName,
    server: &Server,
) -> Result<(), Error> {
    let invitation = file.invite(user, now())?;
    let login = login(T::PROGRAM, &server.address, &invitation);
    let login = login.ok_or_else(|| Error::usage("the address cannot be written in a shell"))?;
    app.answer(&login, &AccountRecord::login(user, &login))?;
    if !server.others.is_empty() {
        let others: Vec<String> = server.others.iter().map(IpAddr::to_string).collect();
        let others = others.join(", ");
        app.note(format_args!("--address chooses another address of this machine: {others}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use haul_accounts::Fingerprint;

    use super::*;
    use crate::address::Invitation;

    #[test]
    fn an_address_has_the_port_of_tls_unless_it_says_otherwise() {
        for (text, host, port) in [
            ("h", "h", 4286),
            ("h:99", "h", 99),
            ("127.0.0.1", "127.0.0.1", 4286),
            ("[2001:db8::1]", "2001:db8::1", 4286),
            ("[2001:db8::1]:99", "2001:db8::1", 99),
        ] {
            let address = address(text).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
        }
        for text in ["", "h:", "h:0", "h:x", "2001:db8::1", "a b", "h/x", "u@h", "haul://h"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_login_is_one_word_for_a_shell_and_means_the_same_server() {
        let invitation = Secret::new(String::from("abc-_Z")).unwrap();
        for (host, shown) in [("h", "h"), ("::1", "[::1]"), ("it's", "it's"), ("$(x)", "$(x)")] {
            let server = ServerAddress {
                scheme: Scheme::Tls,
                user: Some(UserName::parse("alice").unwrap()),
                host: String::from(host),
                port: 4286,
                base: None,
                pin: Some(Fingerprint::of_spki(b"")),
            };
            let line = login("haul-test", &server, &invitation).unwrap();
            let url = format!(
                "hauls://alice@{shown}:4286/#SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU,invite=abc-_Z"
            );
            assert_eq!(shlex::split(&line).unwrap(), ["haul-test", "login", &url]);
            if host == "h" {
                assert_eq!(line, format!("haul-test login '{url}'"));
            }
            let secret = Some(invitation.clone());
            assert_eq!(url.parse(), Ok(Invitation { server, secret }));
        }
    }
}
