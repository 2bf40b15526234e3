//! The lines that a server prints when clients can connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use haul_accounts::Fingerprint;
use haul_core::Escaped;
use haul_store::Options;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::listeners::Admitted;
use crate::address::{ListenAddress, Scheme};
use crate::console::Stream;
use crate::output::{self, ListeningRecord};
use crate::transport::Listening;

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
    /// The fingerprint of the key that clients see, if there is TLS.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) admitted: Admitted,
    pub(super) quiet: bool,
    pub(super) json: bool,
}

impl Announcement<'_> {
    /// Prints it. A server needs no reader: it serves clients even if stdout blocks, and a closed stdout does not stop
    /// it.
    pub(super) fn announce(&self, stdout: &Stream, listening: &[Listening]) {
        let lines = if self.json {
            let json = |listening: &Listening| {
                let is_encrypted = listening.scheme == Scheme::Tls;
                let fingerprint = self.fingerprint.filter(|_| is_encrypted);
                let record = ListeningRecord {
                    listening: url(*listening),
                    fingerprint: fingerprint.map(|key| key.to_string()),
                };
                output::json(&record, stdout.is_terminal())
            };
            listening.iter().filter_map(|listening| json(listening).ok()).collect()
        } else {
            self.lines(listening, own_addresses)
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
    fn lines(&self, listening: &[Listening], own: impl FnOnce() -> Vec<IpAddr>) -> Vec<String> {
        let mut lines: Vec<String> =
            listening.iter().map(|listening| format!("listening on {}", url(*listening))).collect();
        if let Some(key) = self.fingerprint {
            lines.push(format!("  the key of this server is {key}"));
        }
        let Some(first) = listening.first().filter(|_| !self.quiet) else { return lines };
        let Self { program, sharing, .. } = self;
        let is_here = |listening: &Listening| listening.address.ip().is_loopback();
        let here = from_here(*listening.iter().find(|it| is_here(it)).unwrap_or(first));

        let directory = self.directory.to_string_lossy();
        lines.push(format!("  serving {}, {}", Escaped::new(&directory), terms(sharing)));
        let is_open = !listening.iter().all(is_here);
        lines.push(format!("  to {}", self.admitted.described()));
        if self.admitted.serves_everybody() {
            lines.push(format!("  list its files:  {program} ls {}", url(here)));
            if here.scheme == Scheme::Plain {
                let ListenAddress { host, port, .. } = address(here);
                lines.push(format!(
                    "  or by hand:      nc {host} {port}   (then type LIST or HELP)"
                ));
            }
        }
        if is_open {
            lines.extend(elsewhere(listening, own));
        } else {
            let all = if first.address.is_ipv6() { "[::]" } else { "0.0.0.0" };
            let first_account = match self.admitted.accounts {
                0 => format!("make an account with {program} user add NAME, and "),
                _ => String::new(),
            };
            lines.push(format!(
                "  for other machines too, {first_account}start it with --listen {all}"
            ));
        }
        lines
    }
}

impl Admitted {
    fn serves_everybody(self) -> bool {
        self.accounts == 0 || self.anonymous.is_some()
    }

    /// Whom the server serves.
    fn described(self) -> String {
        let accounts = match self.accounts {
            1 => String::from("the user who has an account"),
            number => format!("the {number} users who have accounts"),
        };
        match (self.accounts, self.anonymous) {
            (0, None) => {
                String::from("everybody on this machine, as long as there are no accounts")
            }
            (0, Some(role)) => format!("everybody, with the role {role}"),
            (_, None) => accounts,
            (_, Some(role)) => format!("{accounts}, and to everybody else with the role {role}"),
        }
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
fn elsewhere(listening: &[Listening], own: impl FnOnce() -> Vec<IpAddr>) -> Option<String> {
    let all: Vec<&Listening> =
        listening.iter().filter(|listening| listening.address.ip().is_unspecified()).collect();
    let Listening { scheme, address } = **all.first()?;
    // On Linux, the IPv6 wildcard address accepts IPv4 too.
    let ipv6 = all.iter().any(|listening| listening.address.is_ipv6());
    let urls: Vec<String> = own()
        .into_iter()
        .filter(|own| ipv6 || own.is_ipv4())
        .take(MOST_SHOWN)
        .map(|own| url(Listening { scheme, address: SocketAddr::new(own, address.port()) }))
        .collect();
    Some(if urls.is_empty() {
        String::from("  from other machines: with this one's name or address in place of that")
    } else {
        format!("  from other machines:  {}", urls.join("  "))
    })
}

/// The addresses at which other machines may reach this one. Link-local ones are left out, because each machine has its
/// own names for their zones.
pub(in crate::commands) fn own_addresses() -> Vec<IpAddr> {
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
fn from_here(listening: Listening) -> Listening {
    let Listening { scheme, address } = listening;
    let loopback = match address.ip() {
        IpAddr::V4(ipv4) if ipv4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ipv6) if ipv6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return listening,
    };
    Listening { scheme, address: SocketAddr::new(loopback, address.port()) }
}

fn address(listening: Listening) -> ListenAddress {
    ListenAddress::of_socket(listening.scheme, listening.address)
}

fn url(listening: Listening) -> String {
    address(listening).to_string()
}

#[cfg(test)]
mod tests {
    use haul_core::account::Role;

    use super::*;

    const OPEN: Options = Options { hidden: false, read_only: false };

    const NOBODY: Admitted = Admitted { accounts: 0, anonymous: None };

    fn announced_to(admitted: Admitted, sharing: &Options, addresses: &[&str]) -> String {
        let listening: Vec<Listening> = addresses
            .iter()
            .map(|text| {
                let (scheme, address) = text.split_once("://").unwrap_or(("haul", text));
                let scheme = if scheme == "hauls" { Scheme::Tls } else { Scheme::Plain };
                Listening { scheme, address: address.parse().unwrap() }
            })
            .collect();
        let has_tls = listening.iter().any(|listening| listening.scheme == Scheme::Tls);
        let announcement = Announcement {
            program: "haul-test",
            directory: Path::new("/srv/a\u{202e}b"),
            sharing,
            fingerprint: has_tls.then(|| Fingerprint::of_spki(b"")),
            admitted,
            quiet: false,
            json: false,
        };
        let own = || ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().unwrap()).to_vec();
        announcement.lines(&listening, own).join("\n")
    }

    fn announced(sharing: &Options, addresses: &[&str]) -> String {
        announced_to(NOBODY, sharing, addresses)
    }

    #[test]
    fn it_says_first_where_it_listens_and_then_what_and_how() {
        let expected = r"listening on haul://127.0.0.1:4285
  serving /srv/a\u{202e}b, for reading and writing, without hidden names
  to everybody on this machine, as long as there are no accounts
  list its files:  haul-test ls haul://127.0.0.1:4285
  or by hand:      nc 127.0.0.1 4285   (then type LIST or HELP)
  for other machines too, make an account with haul-test user add NAME, and start it with --listen 0.0.0.0";
        assert_eq!(announced(&OPEN, &["127.0.0.1:4285"]), expected);
    }

    #[test]
    fn an_open_server_says_which_key_it_has_and_whom_it_serves() {
        let expected = r"listening on hauls://0.0.0.0:4286
listening on haul://127.0.0.1:4285
  the key of this server is SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
  serving /srv/a\u{202e}b, for reading and writing, without hidden names
  to the 2 users who have accounts
  from other machines:  hauls://192.0.2.7:4286";
        let admitted = Admitted { accounts: 2, anonymous: None };
        let both = ["hauls://0.0.0.0:4286", "127.0.0.1:4285"];
        assert_eq!(announced_to(admitted, &OPEN, &both), expected);
        let to = |accounts, anonymous| {
            announced_to(Admitted { accounts, anonymous }, &OPEN, &["hauls://0.0.0.0:1"])
        };
        assert!(to(1, None).contains("\n  to the user who has an account\n"));
        let read = to(0, Some(Role::Read));
        assert!(read.contains("\n  to everybody, with the role read\n"), "{read}");
        assert!(read.contains("ls hauls://127.0.0.1:1\n") && !read.contains("nc "), "{read}");
        let all = to(1, Some(Role::Drop));
        assert!(all.contains("account, and to everybody else with the role drop\n"), "{all}");
    }

    #[test]
    fn it_says_what_is_done_with_what_is_shared() {
        let reading = announced(&Options { hidden: true, read_only: true }, &["127.0.0.1:99"]);
        assert!(reading.contains("b, read-only, hidden names too\n"), "{reading}");
    }

    #[test]
    fn ipv6_stands_in_brackets_where_a_port_follows() {
        let local = announced(&OPEN, &["[::1]:99"]);
        assert!(local.starts_with("listening on haul://[::1]:99\n"), "{local}");
        assert!(local.contains("nc ::1 99"), "{local}");
        assert!(local.ends_with("--listen [::]"), "{local}");
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
        let write = Admitted { accounts: 0, anonymous: Some(Role::Write) };
        let open = announced_to(write, &OPEN, &["0.0.0.0:99"]);
        assert!(open.starts_with("listening on haul://0.0.0.0:99\n"), "{open}");
        assert!(open.contains("ls haul://127.0.0.1:99"), "{open}");
        assert!(open.contains("  from other machines:  haul://192.0.2.7:99"), "{open}");
        assert!(!open.contains("--listen"), "{open}");
        let both = announced_to(write, &OPEN, &["[::]:99"]);
        assert!(both.contains("haul://192.0.2.7:99  haul://[2001:db8::7]:99"), "{both}");
        own_addresses();
    }

    #[test]
    fn each_listener_has_a_line_and_the_hints_one_address() {
        let write = Admitted { accounts: 0, anonymous: Some(Role::Write) };
        let two = announced_to(write, &OPEN, &["192.0.2.7:99", "127.0.0.1:98", "[::1]:98"]);
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
