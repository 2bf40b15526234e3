//! Two hosts: network namespaces with a link between them, which can be slow, lossy or cut.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::disk::run;
use crate::requirements::or_skip;

/// The server's address. Each pair of namespaces has one of its own.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 42, 85, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 42, 85, 2);

/// The two hosts. Dropping them removes them and their link.
pub(super) struct Hosts {
    pub(super) server: String,
    pub(super) client: String,
}

impl Hosts {
    /// Two hosts; nothing if there cannot be any here.
    ///
    /// # Panics
    /// When there cannot be any and `HAUL_TESTS_MUST_RUN` is set.
    pub(super) fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("haul-{}-{number}-{side}", std::process::id());
        let hosts = Self { server: name("s"), client: name("c") };
        let connected = hosts.connect();
        or_skip(connected.map_err(|reason| format!("no hosts can be made here: {reason}")))
            .map(|()| hosts)
    }

    fn connect(&self) -> Result<(), String> {
        let Self { server, client } = self;
        for host in [server, client] {
            ip(&["netns", "add", host])?;
            run_on(host, &["ip", "link", "set", "lo", "up"])?;
        }
        let peer = ["peer", "name", "wire", "netns", client];
        run_on(server, &[&["ip", "link", "add", "wire", "type", "veth"], &peer[..]].concat())?;
        for (host, address) in [(server, SERVER), (client, CLIENT)] {
            let address = format!("{address}/30");
            run_on(host, &["ip", "addr", "add", &address, "dev", "wire"])?;
            run_on(host, &["ip", "link", "set", "wire", "up"])?;
        }
        // No packet is lost yet, but this fails if none could be.
        self.lose(0)?;
        self.limit("1gbit")
    }

    /// Loses `percent` of 100 packets in each direction, at random. At 100, neither end gets an error.
    pub(super) fn lose(&self, percent: u32) -> Result<(), String> {
        let which = match percent {
            0 => String::new(),
            100 => String::from("drop"),
            percent => format!("numgen random mod 100 < {percent} drop"),
        };
        let rules = format!(
            "table ip haul {{}}; delete table ip haul; table ip haul {{ chain in {{ type filter hook input priority 0; {which};\n}}\n}}"
        );
        [&self.server, &self.client].into_iter().try_for_each(|host| run_on(host, &["nft", &rules]))
    }

    /// Limits the rate in each direction, in the syntax of `tc`.
    pub(super) fn limit(&self, rate: &str) -> Result<(), String> {
        [&self.server, &self.client].into_iter().try_for_each(|host| {
            let wire = ["tc", "qdisc", "replace", "dev", "wire", "root"];
            // The burst must be small, or the link would not slow down short transfers.
            let burst = if rate.ends_with("kbit") { "4kb" } else { "64kb" };
            let limit = ["tbf", "rate", rate, "burst", burst, "latency", "400ms"];
            run_on(host, &[&wire[..], &limit].concat())
        })
    }

    /// Words that run a program on one of them. `ip netns exec` and `ip -n` make mount namespaces of their own, which
    /// keep what others unmount, such as a disk whose power is cut.
    pub(super) fn on(host: &str) -> [String; 2] {
        [String::from("nsenter"), format!("--net=/run/netns/{host}")]
    }
}

fn run_on(host: &str, words: &[&str]) -> Result<(), String> {
    let [nsenter, net] = Hosts::on(host);
    run(Command::new(nsenter).arg(net).args(words))
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.server, &self.client] {
            let _ = ip(&["netns", "del", host]);
        }
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(words))
}
