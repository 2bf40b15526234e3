//! Command lines, parsed on one core.

#[path = "../../../benches/haul/samples.rs"]
mod samples;

use std::time::{Duration, Instant};

use super::Row;
use crate::contender::{Contender, Kind, Metric, Sample};

/// The number of lines in a buffer.
const LINES: usize = 1_000;
const SPELL: Duration = Duration::from_millis(300);

pub(crate) fn parse() -> Row<'static> {
    let mut contenders = Vec::new();
    for (name, line) in samples::SAMPLES {
        let lines = format!("{line}\r\n").repeat(LINES);
        let requests = samples::request_line(line.len()).repeat(LINES);
        contenders.push(Contender {
            name: format!("haul, {name}"),
            kind: Kind::Haul,
            shown: line.into(),
            run: Box::new(move || Ok(rate(|| samples::read_haul(lines.as_bytes())))),
        });
        contenders.push(Contender {
            name: format!("httparse, {name}"),
            kind: Kind::Peer,
            shown: format!("GET …, {} bytes as well", line.len()),
            run: Box::new(move || Ok(rate(|| samples::read_http(requests.as_bytes())))),
        });
    }
    Row {
        id: "parse",
        title: "Command lines parsed on one core".into(),
        note: "Each parser reads from a buffer: it finds the ends of lines, checks the bytes and splits the words. Haul returns checked and owned paths. httparse parses a request line of the same length.".into(),
        contenders,
        proxies: Vec::new(),
    }
}

#[allow(clippy::cast_precision_loss)]
fn rate(mut read: impl FnMut()) -> Sample {
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < SPELL {
        read();
        done += LINES;
    }
    Sample::from([(Metric::PerSecond, done as f64 / began.elapsed().as_secs_f64())])
}
