//! Names with several addresses, and addresses with zones.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, listen, socket};

use crate::disk::run;
use crate::process::{Bench, Serving};
use crate::requirements::or_skip;
use crate::running::Ended;

/// Half of the time that a client takes that tries one address after the other.
const SOON: Duration = Duration::from_secs(10);

/// Runs a program with another `/etc/hosts`, in the namespaces that `unshare` makes with `namespaces`.
fn with_hosts(bench: &Bench, namespaces: &str, hosts: &str, then: &str) -> Option<[String; 6]> {
    let file: PathBuf = bench.here().join("hosts");
    fs::write(&file, hosts).unwrap();
    let script = format!("mount --bind {} /etc/hosts && {then} exec \"$@\"", file.display());
    let launcher = ["unshare", namespaces, "sh", "-c", &script, "sh"].map(str::to_owned);
    let [unshare, words @ ..] = &launcher;
    or_skip(run(Command::new(unshare).args(words).arg("true")))?;
    Some(launcher)
}

/// Runs a client in the network namespace of a server.
fn beside(bench: &Bench, server: &Serving, args: &[&str]) -> Ended {
    let net = format!("--net=/proc/{0}/ns/net", server.id());
    let mount = format!("--mount=/proc/{0}/ns/mnt", server.id());
    let wd = format!("--wd={}", bench.here().display());
    bench.run_under(&["nsenter", &net, &mount, &wd], args, b"")
}

/// A port at which connections neither succeed nor fail, because its queue is full.
struct BlackHole {
    port: u16,
    _sockets: Vec<OwnedFd>,
}

impl BlackHole {
    fn new() -> Self {
        let tcp = || socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let listener = tcp();
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        listen(&listener, 0).unwrap();
        let address: SocketAddrV4 = getsockname(&listener).unwrap().try_into().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let caller = tcp();
            rustix::io::ioctl_fionbio(&caller, true).unwrap();
            let _ = connect(&caller, &address);
            sockets.push(caller);
        }
        Self { port: address.port(), _sockets: sockets }
    }
}

/// "first address of a name is a black hole: 20 s for each connection": the next address is tried meanwhile, and all
/// errors are reported.
pub fn a_dead_address_does_not_keep_the_others_waiting(program: &Path) {
    let bench = Bench::new(program);
    let hole = BlackHole::new();
    // In this order, 127.0.0.1 comes first.
    let hosts = "127.0.0.1 two localhost\n127.0.0.2 two\n";
    let Some(launcher) = with_hosts(&bench, "-m", hosts, "") else { return };
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    let mut server = bench.serve_at(&format!("127.0.0.2:{}", hole.port), &[], &[]);
    let url = format!("haul://two:{}", hole.port);
    let listing = bench.start_under(&launcher, &["ls", "--server", &url]);
    assert!(listing.ends_within(SOON), "it waits for the dead address");
    listing.ended().assert_code(0);
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let args = ["ls", "--server", &url, "--connect-timeout", "1"];
    let both = bench.run_under(&launcher, &args, b"");
    both.assert_code(5).assert_one_clear_line();
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert!(both.stderr.contains(address), "{address}: {}", both.stderr);
    }
}

/// "`--listen localhost` listens on one family only": the server listens on each address of the name, and `--listen`
/// can be given twice.
pub fn a_server_listens_on_each_address_of_a_name(program: &Path) {
    let bench = Bench::new(program);
    let hosts = "::1 localhost\n127.0.0.1 localhost\n";
    let Some(launcher) = with_hosts(&bench, "-nm", hosts, "ip link set lo up &&") else { return };
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    for (address, options) in
        [("localhost:4999", &[][..]), ("127.0.0.1:4999", &["--listen", "[::1]:4999"])]
    {
        let server = bench.serve_at(address, &launcher, options);
        for address in ["127.0.0.1:4999", "[::1]:4999", "localhost:4999"] {
            beside(&bench, &server, &["ls", "--server", address]).assert_code(0);
        }
    }
}

/// "IPv6 zone written `%25`; no zone": both forms work, and without a zone the error says that it is missing.
pub fn zones_are_taken_in_both_forms(program: &Path) {
    let bench = Bench::new(program);
    let then = "ip link set lo up && echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad && ip link add v0 type veth peer name v1 \
        && ip link set v0 up && ip link set v1 up && ip addr add fe80::85/64 dev v0 nodad &&";
    let Some(launcher) = with_hosts(&bench, "-nm", "::1 localhost\n", then) else { return };
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    for zone in ["%v0", "%25v0"] {
        let address = format!("haul://[fe80::85{zone}]:4998");
        let server = bench.serve_at(&address, &launcher, &["--plaintext", "--anonymous", "write"]);
        for zone in ["%v0", "%25v0"] {
            let url = format!("haul://[fe80::85{zone}]:4998");
            beside(&bench, &server, &["ls", "--server", &url]).assert_code(0);
        }
        let none = beside(&bench, &server, &["ls", "--server", "haul://[fe80::85]:4998"]);
        none.assert_one_clear_line();
        assert!(!none.status.success() && none.stderr.contains("interface"), "{}", none.stderr);
    }
    let serve = ["serve", "../share", "--listen", "[fe80::85]:4998"];
    let none = bench.run_under(&launcher, &serve, b"");
    none.assert_one_clear_line();
    assert!(!none.status.success() && none.stderr.contains("interface"), "{}", none.stderr);
}
