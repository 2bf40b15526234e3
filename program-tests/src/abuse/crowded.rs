//! More clients than a server has descriptors or places for.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};

use super::load_test::{Siege, connect, connect_from, wait_until};
use super::report::Report;
use super::size::Size;
use crate::faults::can_inject;
use crate::process::Bench;
use crate::tracer::Tracer;

/// Descriptors that the server may have beyond what it needs when idle.
const FEW: usize = 32;
/// Failures of accept from which their rate is known.
const FAILURES: usize = 11;
/// Goal: failures of accept in a second; a tenth more is the tracer's clock.
const FEW_A_SECOND: f64 = 11.0;
/// So many there are only without a pause between them, whatever the machine is busy with.
const MANY_A_SECOND: f64 = 30.0;
/// Goal: how soon a client is served again.
const SOON: Duration = Duration::from_secs(1);
/// The address of the flood.
const FLOODING: Ipv4Addr = Ipv4Addr::new(127, 3, 0, 1);

/// No descriptor is left to accept by: the server tries again now and then, and serves as soon as there is one. `None` where calls cannot be watched.
pub(super) fn out_of_descriptors(program: &Path, size: Size) -> Option<Report> {
    if !can_inject() {
        return None;
    }
    let attackers = size.of(200, 60);
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let mut siege = Siege::lay("no descriptors left", bench, server, size.requests());
    let few = (siege.meter.descriptors() + FEW) as u64;
    siege.server.limit(Resource::Nofile, Rlimit { current: Some(few), maximum: Some(few) });
    let tracer = Tracer::attach(&siege.bench, &siege.server, &["-ttt", "-e", "trace=accept4"]);
    let mut sockets: Vec<TcpStream> =
        (0..attackers).map(|number| connect(siege.server.address(), number)).collect();
    let mut failures = Vec::new();
    wait_until(|| {
        // Those who find no descriptor are told at once, so there must be more of them.
        sockets.push(connect(siege.server.address(), sockets.len()));
        failures = times_of_failures(&siege.bench);
        failures.len() >= FAILURES
    });
    tracer.detach().expect("strace has a log");
    let count = failures.len();
    siege
        .report
        .require(count >= FAILURES, || format!("accept failed {count} times, then not again"));
    if let [first, .., last] = &failures[..] {
        let pauses = u32::try_from(count - 1).map_or(f64::MAX, f64::from);
        let rate = pauses / (last - first);
        siege
            .report
            .require(rate <= MANY_A_SECOND, || format!("accept failed {rate:.1} times a second"));
        siege.report.aim(rate <= FEW_A_SECOND, || String::from("≤ 10 failing accepts a second"));
        siege.report.figures.push(format!("{rate:.1} failing accepts a second"));
    }
    drop(sockets);
    siege.recover();
    let recovered = siege.report.recovered;
    siege.report.aim(recovered <= SOON, || String::from("served within 1 s"));
    Some(siege.end(attackers))
}

/// When accept failed for want of a descriptor, in seconds.
fn times_of_failures(bench: &Bench) -> Vec<f64> {
    let log = fs::read_to_string(Tracer::log(bench)).unwrap_or_default();
    let failed = log.lines().filter(|line| line.contains("EMFILE"));
    failed
        .filter_map(|line| {
            line.split_whitespace()
                .find_map(|word| word.parse().ok().filter(|time: &f64| time.fract() != 0.0))
        })
        .collect()
}

/// One address opens connection after connection and closes none: beyond its share it is told `busy` or nothing, and others are served.
pub(super) fn flood_of_connections(program: &Path, size: Size) -> Report {
    const SHARE: usize = 16;
    let attackers = size.of(5_000, 200);
    let bench = Bench::new(program);
    let share = SHARE.to_string();
    let server = bench.serve(&["--max-clients-per-address", &share]);
    let mut siege = Siege::lay("flood of connections", bench, server, size.requests());
    let (sockets, heard) = siege.attack(|siege| {
        let mut sockets: Vec<TcpStream> =
            (0..attackers).map(|_| connect_from(FLOODING, siege.server.address())).collect();
        let heard: Vec<String> = sockets.iter_mut().map(first_words).collect();
        (sockets, heard)
    });
    let of = |start: &str| heard.iter().filter(|heard| heard.starts_with(start)).count();
    let (greeted, busy, closed) =
        (of("HAUL/1 "), of("ERR busy "), heard.iter().filter(|heard| heard.is_empty()).count());
    siege.report.require(greeted == SHARE, || format!("{greeted} had a place, not {SHARE}"));
    siege.report.require(busy > 0 && greeted + busy + closed == attackers, || {
        format!("of {attackers} {busy} were told busy, {closed} were closed")
    });
    siege
        .report
        .figures
        .push(format!("{greeted} served, {busy} told busy, {closed} closed without a word"));
    drop(sockets);
    let began = Instant::now();
    let has_place = wait_until(|| {
        first_words(&mut connect_from(FLOODING, siege.server.address())).starts_with("HAUL/1 ")
    });
    siege.report.require(has_place, || String::from("the address never had a place again"));
    let again = began.elapsed();
    siege.report.figures.push(format!("a place again after {} ms", again.as_millis()));
    siege.report.aim(again <= SOON, || String::from("a place again within 1 s"));
    siege.recover();
    siege.end(attackers)
}

/// What the server says first, if it says anything before it closes.
fn first_words(socket: &mut TcpStream) -> String {
    let mut words = [0; 128];
    match socket.read(&mut words) {
        Ok(count) => String::from_utf8_lossy(&words[..count]).into_owned(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => String::from("nothing at all"),
        Err(_) => String::new(),
    }
}
