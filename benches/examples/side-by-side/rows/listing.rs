//! A directory with very many entries.

use std::io::{Read, Write};
use std::time::Instant;

use super::Row;
use super::socket::HAUL;
use crate::contender::{At, Contender, Kind, Metric, Sample};
use crate::haul::Sync;
use crate::measure;
use crate::peers::Peer::{Rsyncd, Vsftpd};
use crate::rig::Rig;
use crate::{MEBI, Result};

pub(crate) fn list(rig: &Rig) -> Result<Row<'_>> {
    let count = rig.sizes.entries;
    let path = rig.place.entries("huge", count)?;
    let mut contenders = Vec::new();
    for haul in rig.hauls(Sync::None) {
        let (name, at) = (haul.name(), haul.at());
        contenders.push(Contender {
            name: name.to_owned(),
            kind: Kind::Haul,
            shown: "LIST huge, the answer read and dropped".into(),
            run: Box::new(move || read_all(at, count)),
        });
    }
    for haul in rig.hauls(Sync::None) {
        let name = haul.name();
        let line = format!("{name} --server haul://127.0.0.1:$PORT ls -l huge");
        let name = format!("{name} ls -l");
        contenders.push(command(rig, name, Kind::Haul, Some(haul.at()), line));
    }
    for (peer, name, line) in [
        (Rsyncd, "rsyncd", "rsync --list-only rsync://127.0.0.1:$PORT/share/huge/"),
        (Vsftpd, "vsftpd + curl", "curl -sSf ftp://127.0.0.1:$PORT/huge/"),
    ] {
        if let Some(at) = rig.peer(peer) {
            contenders.push(command(rig, name.into(), Kind::Peer, Some(at), line.into()));
        }
    }
    let line = format!("find {} -printf '%p %s %T@\\n'", path.display());
    contenders.push(Contender {
        shown: "find $FROM -printf '%p %s %T@\\n'".into(),
        ..command(rig, "find -printf".into(), Kind::Local, None, line)
    });
    let title = format!("A directory of {count} files, listed with sizes and times");
    let note = "Inodes and directory are in memory. The growth of a server is its peak resident memory minus what it had before the command.".into();
    Ok(Row { id: "list", title, note, contenders, proxies: Vec::new() })
}

#[allow(clippy::cast_precision_loss)]
fn growth(before: u64, peak: u64) -> f64 {
    peak.saturating_sub(before) as f64 / MEBI
}

fn command(rig: &Rig, name: String, kind: Kind, at: Option<At>, line: String) -> Contender<'_> {
    let full = line.replace("$PORT", &at.map_or(0, |at| at.port).to_string());
    let run = move || {
        let before = at.map(|at| measure::resident(at.process)).transpose()?;
        let cost = measure::run(&mut rig.command(&full)?, at.map(|at| at.process))?;
        let mut sample =
            Sample::from([(Metric::Seconds, cost.wall.as_secs_f64()), (Metric::Cpu, cost.cpu)]);
        if let Some(before) = before {
            sample.insert(Metric::ServerGrowth, growth(before, cost.server_peak));
        }
        Ok(sample)
    };
    Contender { name, kind, shown: line, run: Box::new(run) }
}

/// Lists over a bare connection, and checks only the number of lines.
fn read_all(at: At, count: usize) -> Result<Sample> {
    let mut stream = HAUL.connect(at)?;
    let before = measure::forget_peak(at.process)?;
    let (cpu, _) = measure::below()?;
    let mut buffer = vec![0; 256 << 10];
    let mut lines = 0;
    let mut first = None;
    let began = Instant::now();
    stream.write_all(b"LIST huge\n")?;
    while lines <= count {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the listing ended early".into());
        }
        first.get_or_insert_with(|| began.elapsed());
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count();
    }
    let whole = began.elapsed();
    let cpu = measure::below()?.0 - cpu;
    Ok(Sample::from([
        (Metric::Seconds, whole.as_secs_f64()),
        (Metric::FirstLine, first.unwrap_or(whole).as_secs_f64() * 1e3),
        (Metric::Cpu, cpu),
        (Metric::ServerGrowth, growth(before, measure::peak_of(at.process)?)),
    ]))
}
