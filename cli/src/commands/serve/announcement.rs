//! The lines that a server prints when clients can connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use haul_core::Escaped;
use haul_store::Options;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::address::ListenAddress;
use crate::console::Stream;
use crate::output::{self, ListeningRecord};

/// The most addresses of this machine to show.
const MOST_SHOWN: usize = 4;
/// How long clients wait for a stdout that accepts nothing.
const MOST_FOR_STDOUT: Duration = Duration::from_secs(1);

/// The lines that a server prints when clients can connect.
pub(super) struct Announcement<'a> {
    pub(super) program: &'static str,
    /// The full path of the shared directory.
    pub(super) directory: &'a Path,
    pub(super) sharing: &'a Options,
    pub(super) quiet: bool,
    pub(super) json: bool,
}

impl Announcement<'_> {
    /// Prints it. A server needs no reader: it serves clients even if stdout blocks, and a closed stdout does not stop
    /// it.
    pub(super) fn announce(&self, stdout: &Stream, addresses: &[SocketAddr]) {
        let lines = if self.json {
            let json = |address: &SocketAddr| {
                output::json(&ListeningRecord { listening: url(*address) }, stdout.is_terminal())
            };
            addresses.iter().filter_map(|address| json(address).ok()).collect()
        } else {
            self.lines(addresses, own_addresses)
        };
        let (done, printed) = mpsc::channel();
        let (mut aside, theirs) = (stdout.clone(), lines.clone());
        let started = thread::Builder::new().spawn(move || {
            print(&mut aside, &theirs);
            // After a long time nobody waits for it.
            let _ = done.send(());
        });
        match started {
            Ok(_) => drop(printed.recv_timeout(MOST_FOR_STDOUT)),
            Err(_) => print(&mut stdout.clone(), &lines),
        }
    }

    /// `own` returns the addresses of this machine.
    fn lines(&self, addresses: &[SocketAddr], own: impl FnOnce() -> Vec<IpAddr>) -> Vec<String> {
        let mut lines: Vec<String> =
            addresses.iter().map(|address| format!("listening on {}", url(*address))).collect();
        let Some(first) = addresses.first().filter(|_| !self.quiet) else { return lines };
        let Self { program, sharing, .. } = self;
        let here = from_here(*addresses.iter().find(|a| a.ip().is_loopback()).unwrap_or(first));
        let ListenAddress { host, port } = here.into();

        let directory = self.directory.to_string_lossy();
        lines.push(format!("  serving {}, {}", Escaped::new(&directory), terms(sharing)));
        lines.push(format!("  list its files:  {program} ls {}", url(here)));
        lines.push(format!("  or by hand:      nc {host} {port}   (then type LIST or HELP)"));
        let may = if sharing.read_only { "read" } else { "read and write" };
        if addresses.iter().all(|address| address.ip().is_loopback()) {
            let all = if first.is_ipv6() { "[::]" } else { "0.0.0.0" };
            lines.push(format!("  for other machines too, start it with:  --listen {all}:{port}"));
            lines.push(format!(
                "  (there are no accounts yet: everybody who reaches the port can then {may})"
            ));
        } else {
            lines.extend(elsewhere(addresses, own));
            lines.push(format!(
                "  (there are no accounts yet: everybody who reaches the port can {may})"
            ));
        }
        lines
    }
}

fn print(stdout: &mut Stream, lines: &[String]) {
    if let Err(error) = lines.iter().try_for_each(|line| stdout.line(line)) {
        tracing::warn!(%error, "stdout cannot be written");
    }
}

/// How the directory is shared.
fn terms(sharing: &Options) -> String {
    let writes = if sharing.read_only { "read-only" } else { "for reading and writing" };
    let hidden = if sharing.hidden { "hidden names too" } else { "without hidden names" };
    format!("{writes}, {hidden}")
}

/// The addresses at which other machines reach a server that listens on all addresses.
fn elsewhere(addresses: &[SocketAddr], own: impl FnOnce() -> Vec<IpAddr>) -> Option<String> {
    let all: Vec<&SocketAddr> =
        addresses.iter().filter(|address| address.ip().is_unspecified()).collect();
    let port = all.first()?.port();
    // On Linux, the IPv6 wildcard address accepts IPv4 too.
    let ipv6 = all.iter().any(|address| address.is_ipv6());
    let urls: Vec<String> = own()
        .into_iter()
        .filter(|address| ipv6 || address.is_ipv4())
        .take(MOST_SHOWN)
        .map(|address| url(SocketAddr::new(address, port)))
        .collect();
    Some(if urls.is_empty() {
        String::from("  from other machines: with this one's name or address in place of that")
    } else {
        format!("  from other machines:  {}", urls.join("  "))
    })
}

/// The addresses at which other machines may reach this one. Link-local ones are left out, because each machine has its
/// own names for their zones.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut own: Vec<IpAddr> = interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let address = interface.address?;
            let ipv4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            ipv4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .filter(|address| match address {
            IpAddr::V4(ipv4) => !ipv4.is_loopback() && !ipv4.is_link_local(),
            IpAddr::V6(ipv6) => !ipv6.is_loopback() && !ipv6.is_unicast_link_local(),
        })
        .collect();
    own.sort_by_key(IpAddr::is_ipv6);
    own.dedup();
    own
}

/// The address at which this machine reaches a listener.
fn from_here(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ipv4) if ipv4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ipv6) if ipv6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return address,
    };
    SocketAddr::new(loopback, address.port())
}

fn url(address: SocketAddr) -> String {
    format!("haul://{}", ListenAddress::from(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Options = Options { hidden: false, read_only: false };

    fn announced(sharing: &Options, addresses: &[&str]) -> String {
        let announcement = Announcement {
            program: "haul-test",
            directory: Path::new("/srv/a\u{202e}b"),
            sharing,
            quiet: false,
            json: false,
        };
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|address| address.parse().unwrap()).collect();
        let own = || ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().unwrap()).to_vec();
        announcement.lines(&addresses, own).join("\n")
    }

    #[test]
    fn it_says_first_where_it_listens_and_then_what_and_how() {
        let expected = r"listening on haul://127.0.0.1:4285
  serving /srv/a\u{202e}b, for reading and writing, without hidden names
  list its files:  haul-test ls haul://127.0.0.1:4285
  or by hand:      nc 127.0.0.1 4285   (then type LIST or HELP)
  for other machines too, start it with:  --listen 0.0.0.0:4285
  (there are no accounts yet: everybody who reaches the port can then read and write)";
        assert_eq!(announced(&OPEN, &["127.0.0.1:4285"]), expected);
    }

    #[test]
    fn it_says_what_is_done_with_what_is_shared() {
        for address in ["127.0.0.1:99", "0.0.0.0:99"] {
            assert!(announced(&OPEN, &[address]).ends_with(" read and write)"));
            let reading = announced(&Options { hidden: true, read_only: true }, &[address]);
            assert!(reading.contains("b, read-only, hidden names too\n"), "{reading}");
            assert!(reading.ends_with(" read)"), "{reading}");
        }
    }

    #[test]
    fn ipv6_stands_in_brackets_where_a_port_follows() {
        let local = announced(&OPEN, &["[::1]:99"]);
        assert!(local.starts_with("listening on haul://[::1]:99\n"), "{local}");
        assert!(local.contains("nc ::1 99"), "{local}");
        assert!(local.contains("--listen [::]:99"), "{local}");
    }

    #[test]
    fn a_link_local_address_keeps_its_zone() {
        let shown = announced(&OPEN, &["[fe80::1%3]:99"]);
        assert!(shown.starts_with("listening on haul://[fe80::1%3]:99\n"), "{shown}");
        assert!(shown.contains("ls haul://[fe80::1%3]:99\n"), "{shown}");
        assert!(shown.contains("nc fe80::1%3 99 "), "{shown}");
    }

    #[test]
    fn an_open_server_says_how_others_reach_it() {
        let open = announced(&OPEN, &["0.0.0.0:99"]);
        assert!(open.starts_with("listening on haul://0.0.0.0:99\n"), "{open}");
        assert!(open.contains("ls haul://127.0.0.1:99"), "{open}");
        assert!(open.contains("  from other machines:  haul://192.0.2.7:99\n"), "{open}");
        assert!(!open.contains("--listen"), "{open}");
        assert!(open.contains("no accounts yet"), "{open}");
        let both = announced(&OPEN, &["[::]:99"]);
        assert!(both.contains("haul://192.0.2.7:99  haul://[2001:db8::7]:99\n"), "{both}");
        own_addresses();
    }

    #[test]
    fn each_listener_has_a_line_and_the_hints_one_address() {
        let two = announced(&OPEN, &["192.0.2.7:99", "127.0.0.1:98", "[::1]:98"]);
        let lines: Vec<&str> = two.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "listening on haul://192.0.2.7:99",
                "listening on haul://127.0.0.1:98",
                "listening on haul://[::1]:98"
            ]
        );
        assert!(two.contains("ls haul://127.0.0.1:98\n"), "{two}");
        assert!(!two.contains("other machines"), "{two}");
    }
}
