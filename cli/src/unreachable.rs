//! Explains why there is no connection, and what to check.

use std::io;

use haul_core::ErrorCode;
use haul_core::client::Failure;
use haul_core::message::Refusal;
use haul_transport::{ConnectError, Unreached};

use crate::address::{Scheme, ServerAddress};
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::trust::{self, KnownBy};

/// The prefix that std puts before the resolver's error.
const LOOKUP: &str = "failed to lookup address information";

/// Explains `error` to a person who runs `program` with the server `server`, which is known by `known_by`.
pub(crate) fn explain(
    program: &str,
    server: &ServerAddress,
    known_by: &KnownBy,
    error: &ConnectError,
) -> Error {
    let exit = Exit::from(error);
    let explained = match error {
        ConnectError::Unknown(error) => {
            let text = error::plain(error);
            let why = text.strip_prefix(LOOKUP).map_or_else(|| format!(": {text}"), String::from);
            let message = format!("cannot find the address of {}{why}", server.host);
            Error::new(exit, message).advise(lookup_advice(server)).may_retry()
        }
        ConnectError::Unreached(unreached) => {
            let each: Vec<_> = match &unreached[..] {
                [Unreached { error, .. }] => vec![error::plain(error)],
                several => several
                    .iter()
                    .map(|Unreached { address, error }| {
                        format!("{address}: {}", error::plain(error))
                    })
                    .collect(),
            };
            let message = format!("cannot reach {server}: {}", each.join("; "));
            // A refusal means that the machine answered, so it allows better advice.
            let refused = |error: &&io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            let errors = || unreached.iter().map(|unreached| &unreached.error);
            let advice = errors().find(refused).or_else(|| errors().next());
            let told = Error::new(exit, message).may_retry();
            match advice {
                Some(error) => told.advise(advice_on(program, server, error)),
                None => told,
            }
        }
        ConnectError::Handshake(error) => trust::explain(program, server, known_by, error),
        ConnectError::Failed(failure) => {
            let error = Error::request(&server.to_string(), failure);
            match failure {
                Failure::NoGreeting => error.advise(
                    "something takes connections there and says nothing: is it a HAUL server, and the right port? one that is stopped or overloaded does the same",
                ),
                Failure::Refused(refusal) if speaks_tls(server, refusal) => {
                    let tls = ServerAddress { scheme: Scheme::Tls, ..server.clone() };
                    error.advise(format!("write {tls}"))
                }
                _ => error,
            }
        }
        other => Error::new(exit, format!("cannot reach {server}: {other}")),
    };
    explained.hopeless()
}

/// Whether it refuses a client because it speaks TLS.
fn speaks_tls(server: &ServerAddress, refusal: &Refusal) -> bool {
    let refuses = refusal.code() == Some(ErrorCode::Protocol) && refusal.text.contains("hauls://");
    refuses && !server.is_encrypted()
}

fn lookup_advice(server: &ServerAddress) -> String {
    match server.host.split_once('%') {
        Some((_, zone)) => format!("is there a network interface {zone} here? ip link shows them"),
        None => String::from("is the name right, and does this machine reach its name server?"),
    }
}

fn advice_on(program: &str, server: &ServerAddress, error: &io::Error) -> String {
    let ServerAddress { scheme, host, port, .. } = server;
    match error.kind() {
        io::ErrorKind::ConnectionRefused if server.is_here() => {
            let listen = match scheme {
                Scheme::Plain if *port == scheme.default_port() => String::new(),
                _ => format!(" --listen {scheme}://{}", server.host_and_port()),
            };
            format!("is the server running? start it with: {program} serve{listen}")
        }
        io::ErrorKind::ConnectionRefused => {
            let all = if host.contains(':') { "[::]" } else { "0.0.0.0" };
            format!(
                "is the server running there, and not for its own machine only? start it there with: {program} serve --listen {scheme}://{all}:{port}"
            )
        }
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => {
            format!("is that machine on, and does every firewall let port {port} through?")
        }
        io::ErrorKind::InvalidInput => String::from(
            "is the address whole? a link-local one needs its network interface: [fe80::1%eth0]",
        ),
        io::ErrorKind::PermissionDenied => {
            String::from("a firewall or a sandbox of this machine forbids it")
        }
        _ => String::from("does the network work? ping shows it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(address: &str, error: &ConnectError) -> String {
        explain("haul-test", &address.parse().unwrap(), &KnownBy::Nothing, error).to_string()
    }

    #[test]
    fn a_port_that_speaks_tls_is_written_so() {
        let refusal = Refusal::new(ErrorCode::Protocol, "this port speaks TLS: hauls://");
        let refused = || ConnectError::from(Failure::Refused(refusal.clone()));
        let shown = explained("haul://h:99/a", &refused());
        assert!(shown.ends_with("speaks TLS: hauls:// (write hauls://h:99/a)"), "{shown}");
        assert!(explained("hauls://h:99", &refused()).contains("another version"));
    }

    #[test]
    fn what_to_look_at_depends_on_what_went_wrong() {
        let at = |address: &str, number| Unreached {
            address: address.parse().unwrap(),
            error: io::Error::from_raw_os_error(number),
        };
        let os = |number| ConnectError::Unreached(vec![at("192.0.2.1:99", number)]);
        let both =
            || ConnectError::Unreached(vec![at("192.0.2.1:99", 110), at("[2001:db8::1]:99", 111)]);
        let lookup = || {
            ConnectError::Unknown(io::Error::other(format!("{LOOKUP}: Name or service not known")))
        };
        for (address, error, parts) in [
            ("127.0.0.1", os(111), ["Connection refused", "start it with: haul-test serve)"]),
            ("localhost", os(111), ["Connection refused", "start it with: haul-test serve)"]),
            ("[::1]:9", os(111), ["Connection refused", "serve --listen haul://[::1]:9)"]),
            ("h:99", os(111), ["Connection refused", "--listen hauls://0.0.0.0:99"]),
            ("[2001:db8::1]:99", os(111), ["Connection refused", "--listen hauls://[::]:99"]),
            ("h", os(110), ["cannot reach hauls://h:4286", "firewall let port 4286"]),
            ("h", os(113), ["cannot reach hauls://h:4286", "is that machine on"]),
            ("haul://h", os(22), ["cannot reach haul://h:4285", "[fe80::1%eth0]"]),
            ("hh", lookup(), ["cannot find the address of hh: Name or", "is the name right"]),
            ("[fe80::1%x9]", lookup(), ["cannot find the address of", "interface x9"]),
            ("h", Failure::NoGreeting.into(), ["no greeting", "says nothing: is it a HAUL"]),
            (
                "h",
                both(),
                ["192.0.2.1:99: Connection timed out; [2001:db8::1]:99: Conn", "running"],
            ),
        ] {
            let shown = explained(address, &error);
            for part in parts {
                assert!(shown.contains(part), "{address}: {shown}");
            }
        }
    }
}
