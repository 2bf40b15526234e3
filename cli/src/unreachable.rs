//! Why there is no connection, and what a person can look at.

use std::io;
use std::net::IpAddr;

use haul_core::client::Failure;
use haul_transport::ConnectError;

use crate::address::ServerAddress;
use crate::error::{self, Error};
use crate::exit::Exit;

/// What std puts before the resolver's own words.
const LOOKUP: &str = "failed to lookup address information";

/// What `error` means for a person who runs `program` and asked for `server`.
pub(crate) fn explain(program: &str, server: &ServerAddress, error: &ConnectError) -> Error {
    let exit = Exit::from(error);
    let explained = match error {
        ConnectError::Io(error) => {
            let text = error::plain(error);
            let message = match text.strip_prefix(LOOKUP) {
                Some(why) => format!("cannot find the address of {}{why}", server.host),
                None => format!("cannot reach {server}: {text}"),
            };
            Error::new(exit, message).advise(advice(program, server, error, &text)).may_retry()
        }
        ConnectError::Failed(failure) => {
            let error = Error::request(&server.to_string(), failure);
            match failure {
                Failure::TimedOut => error.advise(
                    "something takes connections there and says nothing: is it a HAUL server, and the right port? one that is stopped or overloaded does the same",
                ),
                _ => error,
            }
        }
        other => Error::new(exit, format!("cannot reach {server}: {other}")),
    };
    explained.hopeless()
}

fn advice(program: &str, server: &ServerAddress, error: &io::Error, text: &str) -> String {
    let ServerAddress { host, port, .. } = server;
    if text.starts_with(LOOKUP) {
        return match host.split_once('%') {
            Some((_, zone)) => {
                format!("is there a network interface {zone} here? ip link shows them")
            }
            None => String::from("is the name right, and does this machine reach its name server?"),
        };
    }
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

/// Whether only this machine can be meant.
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
        let os = |number| ConnectError::Io(io::Error::from_raw_os_error(number));
        let lookup =
            || ConnectError::Io(io::Error::other(format!("{LOOKUP}: Name or service not known")));
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
            ("h", Failure::TimedOut.into(), ["did not answer", "says nothing: is it a HAUL"]),
        ] {
            let shown = explained(address, &error);
            for part in parts {
                assert!(shown.contains(part), "{address}: {shown}");
            }
        }
    }
}
