//! More clients than a server has descriptors or places for.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};

use super::load_test::{LoadTest, connect, connect_from, wait_until};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;
use crate::requirements::can_inject;
use crate::tracer::Tracer;

/// Descriptors that the server may have beyond those that it uses when idle.
const FEW: usize = 32;
/// The number of failures of `accept` from which their rate is computed.
const FAILURES: usize = 11;
/// Goal: failures of `accept` a second, with a tenth for the inaccuracy of the tracer's clock.
const FEW_A_SECOND: f64 = 11.0;
/// A rate that is possible only without a pause between failures, however busy the machine is.
const MANY_A_SECOND: f64 = 30.0;
/// Goal: how soon a client is served again.
const SOON: Duration = Duration::from_secs(1);
/// The address that the flood comes from.
const FLOODING: Ipv4Addr = Ipv4Addr::new(127, 3, 0, 1);

/// The server has no descriptor left to accept with: it retries at intervals, and serves as soon as there is one.
/// `None` where system calls cannot be traced.
pub(super) fn out_of_descriptors(program: &Path, size: Size) -> Option<Report> {
    if !can_inject() {
        return None;
    }
    let attackers = size.of(200, 60);
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let mut test = LoadTest::start("no descriptors left", bench, server, size.requests());
    let few = (test.meter.descriptors() + FEW) as u64;
    test.server.limit(Resource::Nofile, Rlimit { current: Some(few), maximum: Some(few) });
    let tracer = Tracer::attach(&test.bench, &test.server, &["-ttt", "-e", "trace=accept4"]);
    let mut sockets: Vec<TcpStream> =
        (0..attackers).map(|number| connect(test.server.address(), number)).collect();
    let mut failures = Vec::new();
    wait_until(|| {
        // The server refuses some of them at once, so there must be more.
        sockets.push(connect(test.server.address(), sockets.len()));
        failures = times_of_failures(&test.bench);
        failures.len() >= FAILURES
    });
    tracer.detach().expect("strace has a log");
    let count = failures.len();
    test.report
        .require(count >= FAILURES, || format!("accept failed {count} times, then not again"));
    if let [first, .., last] = &failures[..] {
        let pauses = u32::try_from(count - 1).map_or(f64::MAX, f64::from);
        let rate = pauses / (last - first);
        test.report
            .require(rate <= MANY_A_SECOND, || format!("accept failed {rate:.1} times a second"));
        test.report.aim(rate <= FEW_A_SECOND, || String::from("≤ 10 failing accepts a second"));
        test.report.figures.push(format!("{rate:.1} failing accepts a second"));
    }
    drop(sockets);
    test.recover();
    let recovered = test.report.recovered;
    test.report.aim(recovered <= SOON, || String::from("served within 1 s"));
    Some(test.end(attackers))
}

/// The times at which `accept` failed for lack of a descriptor, in seconds.
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

/// One address opens connections and closes none. Beyond its share it gets `busy` or a closed connection, and others
/// are served.
pub(super) fn flood_of_connections(program: &Path, size: Size) -> Report {
    const SHARE: usize = 16;
    let attackers = size.of(5_000, 200);
    let bench = Bench::new(program);
    let share = SHARE.to_string();
    let server = bench.serve(&["--max-clients-per-address", &share]);
    let mut test = LoadTest::start("flood of connections", bench, server, size.requests());
    let (sockets, heard) = test.attack(|test| {
        let mut sockets: Vec<TcpStream> =
            (0..attackers).map(|_| connect_from(FLOODING, test.server.address())).collect();
        let heard: Vec<String> = sockets.iter_mut().map(first_words).collect();
        (sockets, heard)
    });
    let of = |start: &str| heard.iter().filter(|heard| heard.starts_with(start)).count();
    let (greeted, busy, closed) =
        (of("HAUL/1 "), of("ERR busy "), heard.iter().filter(|heard| heard.is_empty()).count());
    test.report.require(greeted == SHARE, || format!("{greeted} had a place, not {SHARE}"));
    test.report.require(busy > 0 && greeted + busy + closed == attackers, || {
        format!("of {attackers} {busy} were told busy, {closed} were closed")
    });
    test.report
        .figures
        .push(format!("{greeted} served, {busy} told busy, {closed} closed without a word"));
    drop(sockets);
    let began = Instant::now();
    let has_place = wait_until(|| {
        first_words(&mut connect_from(FLOODING, test.server.address())).starts_with("HAUL/1 ")
    });
    test.report.require(has_place, || String::from("the address never had a place again"));
    let again = began.elapsed();
    test.report.figures.push(format!("a place again after {} ms", again.as_millis()));
    test.report.aim(again <= SOON, || String::from("a place again within 1 s"));
    test.recover();
    test.end(attackers)
}

/// What the server sends before it closes, if anything.
fn first_words(socket: &mut TcpStream) -> String {
    let mut words = [0; 128];
    match socket.read(&mut words) {
        Ok(count) => String::from_utf8_lossy(&words[..count]).into_owned(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => String::from("nothing at all"),
        Err(_) => String::new(),
    }
}
