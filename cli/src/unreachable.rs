//! Explains why there is no connection, and what to check.

use std::io;
use std::net::IpAddr;

use haul_core::client::Failure;
use haul_transport::{ConnectError, Unreached};

use crate::address::ServerAddress;
use crate::error::{self, Error};
use crate::exit::Exit;

/// The prefix that std puts before the resolver's error.
const LOOKUP: &str = "failed to lookup address information";

/// Explains `error` to a person who runs `program` with the server `server`.
pub(crate) fn explain(program: &str, server: &ServerAddress, error: &ConnectError) -> Error {
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
        ConnectError::Failed(failure) => {
            let error = Error::request(&server.to_string(), failure);
            match failure {
                Failure::NoGreeting => error.advise(
                    "something takes connections there and says nothing: is it a HAUL server, and the right port? one that is stopped or overloaded does the same",
                ),
                _ => error,
            }
        }
        other => Error::new(exit, format!("cannot reach {server}: {other}")),
    };
    explained.hopeless()
}

fn lookup_advice(server: &ServerAddress) -> String {
    match server.host.split_once('%') {
        Some((_, zone)) => format!("is there a network interface {zone} here? ip link shows them"),
        None => String::from("is the name right, and does this machine reach its name server?"),
    }
}

fn advice_on(program: &str, server: &ServerAddress, error: &io::Error) -> String {
    let ServerAddress { host, port, .. } = server;
    match error.kind() {
        io::ErrorKind::ConnectionRefused if is_here(host) => {
            format!("is the server running? start it with: {program} serve")
        }
        io::ErrorKind::ConnectionRefused => {
            let all = if host.contains(':') { "[::]" } else { "0.0.0.0" };
            format!(
                "is the server running there, and not for its own machine only? start it there with: {program} serve --listen {all}:{port}"
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

/// Whether `host` can only be this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(address: &str, error: &ConnectError) -> String {
        explain("haul-test", &address.parse().unwrap(), error).to_string()
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
            ("h:99", os(111), ["Connection refused", "--listen 0.0.0.0:99"]),
            ("[2001:db8::1]:99", os(111), ["Connection refused", "--listen [::]:99"]),
            ("h", os(110), ["cannot reach haul://h:4285", "firewall let port 4285"]),
            ("h", os(113), ["cannot reach haul://h:4285", "is that machine on"]),
            ("h", os(22), ["cannot reach haul://h:4285", "[fe80::1%eth0]"]),
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
