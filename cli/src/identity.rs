//! Who this client is to the server.
//!
//! A server knows a client by its key, which the handshake shows. Where it does not, a password identifies the client
//! on each connection; it goes over TLS, or does not leave this machine.

use std::ops::ControlFlow;

use haul_core::account::{Proof, UserName};
use haul_core::client::{ClientEvent, Failure, Request};
use haul_core::message::Greeting;
use haul_store::ClientFiles;
use haul_transport::Call;

use crate::address::ServerAddress;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Remote;

/// Who to be, and what proves it.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: UserName,
    pub(crate) proof: Proof,
}

/// Why a session is not that of the user who is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The server has not identified the client.
    Unidentified,
    /// The server takes the client for this user.
    Other(UserName),
    /// The server has no accounts.
    NoAccounts,
}

/// Compares who the server takes the client for with who is wanted.
pub(crate) fn mismatch(server: &ServerAddress, greeting: &Greeting) -> Option<Mismatch> {
    let known = greeting.user.as_ref().filter(|user| !user.is_anonymous());
    let is_nobody = greeting.user.is_none();
    match (known, &server.user) {
        (Some(known), Some(wanted)) if known != wanted => Some(Mismatch::Other(known.clone())),
        (None, Some(_)) if is_nobody && !greeting.auth_required => Some(Mismatch::NoAccounts),
        (None, Some(_)) => Some(Mismatch::Unidentified),
        (None, None) if is_nobody && greeting.auth_required => Some(Mismatch::Unidentified),
        _ => None,
    }
}

/// What a mismatch means for a person who runs `program`.
pub(crate) fn explain(program: &str, server: &ServerAddress, mismatch: &Mismatch) -> Error {
    let told = |what: String| Error::new(Exit::Unauthenticated, format!("{server} {what}"));
    let wanted = server.user.as_ref();
    let error = match mismatch {
        Mismatch::Unidentified if !server.is_encrypted() && !server.is_here() => told(
            "wants to know who you are, and speaks plain text, where everybody could read it"
                .into(),
        )
        .advise("use its address with TLS, which begins with hauls://"),
        Mismatch::Unidentified => {
            let who =
                wanted.map_or_else(|| "who you are".into(), |user| format!("that you are {user}"));
            let host = server.host_and_port();
            let advice = match wanted {
                Some(user) => format!("{program} login hauls://{user}@{host}"),
                None if server.is_encrypted() => format!("{program} login hauls://USER@{host}"),
                None => format!("{program} login hauls://USER@HOST"),
            };
            told(format!("does not know {who}")).advise(format!(
                "log in with the line that its operator has for you, or with a password: {advice}"
            ))
        }
        Mismatch::Other(user) => {
            let wanted = wanted.map_or_else(String::new, UserName::to_string);
            told(format!("takes you for {user}, not {wanted}"))
                .advise(format!("it knows your key as that of {user}; name {user}, or nobody"))
        }
        Mismatch::NoAccounts => {
            let bare = ServerAddress { user: None, ..server.clone() };
            told("has no accounts, so nobody has a name there".into())
                .advise(format!("name no user: {bare}"))
        }
    };
    error.hopeless()
}

/// Identifies the client. It is for the caller to see that nobody else can read it.
pub(crate) fn authenticate(
    remote: &mut dyn Remote,
    server: &ServerAddress,
    credentials: &Credentials,
) -> Result<(), Error> {
    let Credentials { user, proof } = credentials.clone();
    let request = Request::Authenticate { user, proof };
    let watch = |_: &ClientEvent| ControlFlow::Continue(());
    let asked = remote.ask(Call { request, files: ClientFiles::Nothing, watch });
    asked.map(drop).map_err(|failure| refused(server, credentials, &failure))
}

fn refused(server: &ServerAddress, credentials: &Credentials, failure: &Failure) -> Error {
    let error = Error::request(&server.to_string(), failure);
    let error = match &credentials.proof {
        _ if error.exit() != Exit::Unauthenticated => error,
        Proof::Password(_) => error.advise("is it the right user, and the right password?"),
        Proof::Invite(_) => error.advise(
            "an invitation works once, and for 24 hours; ask the operator of the server for another one",
        ),
    };
    error.hopeless()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(user: Option<&str>, auth_required: bool) -> Greeting {
        let user = user.map(|user| UserName::parse(user).unwrap());
        Greeting { banner: String::new(), max_data: 1, pipeline: 1, auth_required, user }
    }

    #[test]
    fn who_is_wanted_is_compared_with_who_it_is() {
        let other = Mismatch::Other(UserName::parse("bob").unwrap());
        for (address, user, required, expected) in [
            ("hauls://h", None, false, None),
            ("hauls://h", None, true, Some(Mismatch::Unidentified)),
            ("hauls://h", Some("bob"), true, None),
            ("hauls://h", Some("anonymous"), true, None),
            ("hauls://bob@h", Some("bob"), true, None),
            ("hauls://alice@h", Some("bob"), true, Some(other)),
            ("hauls://alice@h", Some("anonymous"), true, Some(Mismatch::Unidentified)),
            ("hauls://alice@h", Some("anonymous"), false, Some(Mismatch::Unidentified)),
            ("hauls://alice@h", None, true, Some(Mismatch::Unidentified)),
            ("hauls://alice@h", None, false, Some(Mismatch::NoAccounts)),
        ] {
            let server: ServerAddress = address.parse().unwrap();
            let found = mismatch(&server, &greeting(user, required));
            assert_eq!(found, expected, "{address} {user:?} {required}");
            if let Some(found) = found {
                let error = explain("haul-test", &server, &found);
                assert_eq!(error.exit(), Exit::Unauthenticated);
                assert!(error.to_string().ends_with(')'), "{error}");
            }
        }
    }
}
