//! Many connections: the cost of idle ones, the rate of short ones, and the latency of small requests beside bulk
//! transfers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Row;
use super::socket::{FTP, HAUL, HTTP, Manner, ask};
use crate::Result;
use crate::contender::{At, Contender, Kind, Metric, Sample};
use crate::haul::{Haul, Program, Sync};
use crate::measure;
use crate::peers::Peer::{self, Nginx, Vsftpd};
use crate::rig::Rig;

/// The number of bulk transfers beside small requests, and of clients that connect at the same time.
const CROWD: usize = 8;
/// How long clients connect and disconnect.
const SPELL: Duration = Duration::from_secs(2);
const ONE: u64 = 4 << 10;

/// The servers, and how to talk to them.
fn talkers(rig: &Rig, peers: &[(Peer, &str, Manner)]) -> Vec<(String, Kind, At, Manner)> {
    let hauls = rig.hauls(Sync::None);
    let hauls = hauls.map(|haul| (haul.name().to_owned(), Kind::Haul, haul.at(), HAUL));
    let peers = peers.iter().filter_map(|(peer, name, manner)| {
        Some(((*name).to_owned(), Kind::Peer, rig.peer(*peer)?, *manner))
    });
    hauls.chain(peers).collect()
}

pub(crate) fn idle(rig: &Rig) -> Row<'_> {
    let count = rig.sizes.idle;
    let contender = |haul: &'_ Haul| {
        let (program, share) = (Rc::clone(&haul.program), rig.place.share());
        Contender {
            name: haul.name().to_owned(),
            kind: Kind::Haul,
            shown: format!(
                "{count} connections that were greeted and say nothing, or as many as are taken"
            ),
            run: Box::new(move || silent(&program, &share, count)),
        }
    };
    let contenders = rig.hauls(Sync::None).map(contender).collect();
    let title = format!("{count} connections that say nothing, memory of the server");
    let note =
        "The figure is how much more resident memory a new server has with the connections than before them, divided by their number. `haul-std` accepts at most 4,000."
            .into();
    Row { id: "idle", title, note, contenders, proxies: Vec::new() }
}

#[allow(clippy::cast_precision_loss)]
fn silent(program: &Rc<Program>, share: &Path, count: usize) -> Result<Sample> {
    let server = program.serve(share, Sync::None)?;
    let at = server.at();
    // Connect once first, so that one-time costs of the server do not count.
    drop(HAUL.connect(at)?);
    let before = measure::resident(at.process)?;
    let connections: Vec<_> = (0..count).map_while(|_| HAUL.connect(at).ok()).collect();
    let grown = measure::resident(at.process)?.saturating_sub(before);
    let taken = connections.len() as f64;
    Ok(Sample::from([
        (Metric::PerConnection, grown as f64 / taken / 1024.0),
        (Metric::Connections, taken),
    ]))
}

pub(crate) fn accept(rig: &Rig) -> Result<Row<'_>> {
    rig.place.file("one", ONE)?;
    let contender = |(name, kind, at, manner): (String, Kind, At, Manner)| Contender {
        name,
        kind,
        shown: format!(
            "connect, {}, until the server closes",
            manner.end.trim_end().escape_debug()
        ),
        run: Box::new(move || come_and_go(at, manner)),
    };
    let contenders = talkers(rig, &[(Nginx, "nginx", HTTP), (Vsftpd, "vsftpd", FTP)])
        .into_iter()
        .map(contender)
        .collect();
    let note = format!(
        "For {} seconds, {CROWD} threads connect, are greeted, ask for the end and wait for it. CPU is the server's.",
        SPELL.as_secs()
    );
    let title = "Connections that come and go".into();
    Ok(Row { id: "accept", title, note, contenders, proxies: Vec::new() })
}

#[allow(clippy::cast_precision_loss)]
fn come_and_go(at: At, manner: Manner) -> Result<Sample> {
    let (cpu, _) = measure::below()?;
    let done = AtomicU64::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        let visit = || -> std::result::Result<(), String> {
            let mut rest = Vec::new();
            while began.elapsed() < SPELL {
                let mut stream = manner.connect(at).map_err(|error| error.to_string())?;
                stream.write_all(manner.end.as_bytes()).map_err(|error| error.to_string())?;
                rest.clear();
                stream.read_to_end(&mut rest).map_err(|error| error.to_string())?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let visitors: Vec<_> = (0..CROWD).map(|_| scope.spawn(visit)).collect();
        visitors
            .into_iter()
            .try_for_each(|visitor| visitor.join().unwrap_or_else(|_| Err("a panic".into())))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = measure::below()?.0 - cpu;
    let rate = done.into_inner() as f64 / seconds;
    Ok(Sample::from([(Metric::PerSecond, rate), (Metric::Cpu, cpu)]))
}

pub(crate) fn fair(rig: &Rig) -> Result<Row<'_>> {
    rig.place.file("one", ONE)?;
    rig.place.file("big", rig.sizes.big)?;
    let requests = rig.sizes.requests;
    let contender = |(name, kind, at, manner): (String, Kind, At, Manner)| {
        let mut lengths = None;
        let run = move || {
            let (small, big) = match lengths {
                Some(known) => known,
                None => (manner.learn(at, manner.small)?, manner.learn(at, manner.big)?),
            };
            lengths = Some((small, big));
            beside_bulk(at, manner, small, big, requests)
        };
        let shown = format!("{requests} times {}", manner.small.trim_end().escape_debug());
        Contender { name, kind, shown, run: Box::new(run) }
    };
    let contenders = talkers(rig, &[(Nginx, "nginx", HTTP)]).into_iter().map(contender).collect();
    let title = format!(
        "A file of 4 KiB over a kept connection, alone and beside {CROWD} downloads of the big one"
    );
    let note = "The downloads never pause, and their clients drop the data at once. This is more than the machine can do, so the small requests wait for cores as well.".into();
    Ok(Row { id: "fair", title, note, contenders, proxies: Vec::new() })
}

fn beside_bulk(
    at: At,
    manner: Manner,
    small: usize,
    big: usize,
    requests: usize,
) -> Result<Sample> {
    let mut stream = manner.connect(at)?;
    let alone = times(&mut stream, manner, small, requests)?;
    let over = AtomicBool::new(false);
    let mut bulk = Vec::new();
    for _ in 0..CROWD {
        bulk.push(manner.connect(at)?);
    }
    let (begun, begins) = mpsc::channel::<()>();
    let beside = thread::scope(|scope| {
        for stream in &bulk {
            let (begun, over) = (begun.clone(), &over);
            scope.spawn(move || -> Option<()> {
                let mut stream = stream.try_clone().ok()?;
                let mut buffer = vec![0; 256 << 10];
                stream.write_all(manner.big.as_bytes()).ok()?;
                stream.read_exact(&mut buffer[..1]).ok()?;
                begun.send(()).ok()?;
                let mut left = big - 1;
                while !over.load(Ordering::Relaxed) {
                    if left == 0 {
                        stream.write_all(manner.big.as_bytes()).ok()?;
                        left = big;
                    }
                    let most = left.min(buffer.len());
                    match stream.read(&mut buffer[..most]).ok()? {
                        0 => return None,
                        count => left -= count,
                    }
                }
                Some(())
            });
        }
        let started = begins.iter().take(CROWD).count();
        let beside = times(&mut stream, manner, small, requests / 4);
        over.store(true, Ordering::Relaxed);
        for stream in &bulk {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if started < CROWD { Err("a bulk transfer did not begin".into()) } else { beside }
    })?;
    Ok(Sample::from([
        (Metric::BusyP99, of_hundred(&beside, 99)),
        (Metric::IdleP99, of_hundred(&alone, 99)),
        (Metric::IdleP50, of_hundred(&alone, 50)),
    ]))
}

/// The latencies of small requests, in milliseconds, the shortest first.
fn times(stream: &mut TcpStream, manner: Manner, length: usize, count: usize) -> Result<Vec<f64>> {
    let mut buffer = vec![0; 64 << 10];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        ask(stream, manner.small, length, &mut buffer)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The latency at a percentile.
fn of_hundred(times: &[f64], part: usize) -> f64 {
    times.get(times.len() * part / 100).copied().unwrap_or(f64::NAN)
}
