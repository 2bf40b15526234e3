//! Networks that lose packets, are slow, or are gone.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use haul_harness::Content;
use rustix::process::Signal;

use super::namespaces::{Hosts, SERVER};
use crate::process::{Bench, Serving};
use crate::requirements::can_inject;
use crate::running::Running;

/// How soon a server must have detected that its peer is gone.
const GONE: Duration = Duration::from_mins(1);
/// A client needs time to give up on lost packets. More than this is a hang.
const TIMEOUT: Duration = Duration::from_mins(3);
/// The exit code of a client that could not reach the server, or lost it.
const NETWORK: i32 = 5;

/// With 5 % or 15 % of the packets lost in each direction, or at 64 kbit/s, transfers succeed or end with an error
/// about the network.
pub fn a_bad_wire_is_borne(program: &Path) {
    for (loss, rate, bytes) in [(5, "1gbit", 100_000), (15, "1gbit", 10_000), (0, "64kbit", 12_000)]
    {
        let Some(hosts) = Hosts::new() else { return };
        let report = transfers(program, &hosts, (loss, rate), bytes, 1).unwrap();
        eprintln!("{report}");
    }
}

/// Uploads and downloads a file of `size` bytes, `times` times.
fn transfers(
    program: &Path,
    hosts: &Hosts,
    (loss, rate): (u32, &str),
    bytes: usize,
    times: u64,
) -> Result<String, String> {
    let bench = Bench::new(program);
    let content = Content::pattern(bytes).to_vec();
    for file in [bench.share().join("served"), bench.here().join("file")] {
        fs::write(file, &content).map_err(|error| error.to_string())?;
    }
    let server = serve(&bench, hosts);
    let alone = server.sockets();
    hosts.limit(rate)?;
    hosts.lose(loss)?;
    let began = Instant::now();
    let mut done = 0;
    for _ in 0..times {
        for args in [&["put", "file", "--as", "put"][..], &["get", "served", "-o", "target"]] {
            let target = if args[0] == "put" { bench.share() } else { bench.here() }.join(args[3]);
            let _ = fs::remove_file(&target);
            let client = start(&bench, hosts, &server, args);
            if !client.ends_within(TIMEOUT) {
                return Err(format!("{}: hung", args[0]));
            }
            let ended = client.ended();
            let there = fs::read(&target).ok();
            match ended.status.code() {
                Some(0) if there.as_ref() == Some(&content) => done += 1,
                Some(NETWORK) if there.is_none_or(|found| found == content) => {}
                code => return Err(format!("{}: {code:?}: {}", args[0], ended.stderr)),
            }
        }
    }
    hosts.lose(0)?;
    server.wait_for_sessions(alone, &bench.share(), GONE)?;
    Ok(format!(
        "{loss} % lost, {rate}: {done} of {} transfers of {bytes} bytes done, the others told so, in {:.1?}",
        2 * times,
        began.elapsed()
    ))
}

fn serve(bench: &Bench, hosts: &Hosts) -> Serving {
    let on = Hosts::on(&hosts.server);
    let options = ["--impatient", "--plaintext", "--anonymous", "write"];
    bench.serve_at(&format!("haul://{SERVER}:0"), &on.each_ref().map(String::as_str), &options)
}

fn start(bench: &Bench, hosts: &Hosts, server: &Serving, args: &[&str]) -> Running {
    let url = server.url();
    let args = [args, &["--server", &url]].concat();
    let on = Hosts::on(&hosts.client);
    bench.start_under(&on.each_ref().map(String::as_str), &args)
}

/// For each state of a connection, the peer disappears without a word. Measures how long the server takes to detect it.
pub fn silent_peers(program: &Path) -> Result<String, String> {
    let mut report = String::new();
    for what in ["idle", "sending", "receiving"] {
        let hosts = Hosts::new().ok_or("no hosts can be made here")?;
        let bench = Bench::new(program);
        let content = Content::pattern(20_000_000).to_vec();
        for file in [bench.share().join("served"), bench.here().join("file")] {
            fs::write(file, &content).map_err(|error| error.to_string())?;
        }
        let server = serve(&bench, &hosts);
        let alone = server.sockets();
        // A transfer takes 20 seconds.
        hosts.limit("8mbit")?;
        let client = match what {
            "idle" => {
                let [nsenter, net] = Hosts::on(&hosts.client);
                let port = server.address().port();
                let silent = format!("exec 3<>/dev/tcp/{SERVER}/{port}; read a <&3; read b <&3");
                Running::start(Command::new(nsenter).args([&net, "bash", "-c", &silent]), b"")
            }
            "sending" => start(&bench, &hosts, &server, &["get", "served", "-o", "target"]),
            _ => start(&bench, &hosts, &server, &["put", "file", "--as", "put"]),
        };
        // The peer must disappear in the middle of it.
        if client.ends_within(Duration::from_secs(2)) || server.sockets() == alone {
            return Err(format!("{what}: it did not begin: {}", client.ended().stderr));
        }
        hosts.lose(100)?;
        let began = Instant::now();
        let freed = server.wait_for_sessions(alone, &bench.share(), GONE);
        client.signal(Signal::KILL);
        client.ended();
        freed.map_err(|reason| format!("{what}: {reason}"))?;
        let _ = writeln!(
            report,
            "{what}, and the peer gone: its place is free after {:.1?}",
            began.elapsed()
        );
    }
    Ok(report)
}

/// While places are scarce, a server has the system probe its peers: it detects that one is gone within a minute, idle
/// or not.
pub fn a_silent_peer_is_looked_for(program: &Path) {
    if !can_inject() {
        return;
    }
    let bench = Bench::new(program);
    let log = bench.here().join("calls");
    let log = log.to_str().expect("a plain name");
    let launcher = ["strace", "-D", "-f", "-o", log, "-e", "trace=setsockopt"];
    let server = bench.serve_under(&launcher, &["--impatient"]);
    assert!(server.connect().line().starts_with("HAUL/1 "));
    let calls = fs::read_to_string(log).unwrap();
    let value = |option: &str| -> u64 {
        let (_, rest) = calls.split_once(option).unwrap_or_else(|| panic!("no {option}: {calls}"));
        let number = rest.trim_start_matches(", [").split(']').next();
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{calls}"))
    };
    assert_eq!(value("SO_KEEPALIVE"), 1);
    let idle = value("TCP_KEEPIDLE") + value("TCP_KEEPINTVL") * value("TCP_KEEPCNT");
    let busy = Duration::from_millis(value("TCP_USER_TIMEOUT"));
    assert!(Duration::from_secs(idle) <= GONE && busy <= GONE, "{calls}");
}

/// The campaign: bad networks, many times, and peers that are gone.
pub fn wires(program: &Path, times: u64) -> Result<String, String> {
    let mut report = String::new();
    for (loss, rate, bytes) in
        [(5, "1gbit", 300_000), (30, "1gbit", 50_000), (30, "64kbit", 5_000), (0, "64kbit", 20_000)]
    {
        let hosts = Hosts::new().ok_or("no hosts can be made here")?;
        report += &transfers(program, &hosts, (loss, rate), bytes, times)?;
        report.push('\n');
    }
    Ok(report + &silent_peers(program)?)
}
