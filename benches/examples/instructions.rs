//! The instructions of the core's hot paths, counted by callgrind: the same on a busy machine as on a quiet one.
//!
//! `cargo run --release -p haul-benches --example instructions` prints each count beside the recorded one in
//! `benches/instructions.txt`; with `-- --record` it records them. It needs valgrind. The recorded counts are those of
//! x86-64; another compiler gives other counts.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use bytes::BytesMut;
use haul_core::ClientLine;
use haul_core::client::{Client, ClientConfig, Request};
use haul_core::message::ServerLine;
use haul_core::server::{Server, ServerConfig};
use haul_core::{Checksum, FilePath, Mode};
use haul_harness::{LocalFiles, MemoryFiles, Pair, Standstill};

/// A path, its input, and the number of repetitions in one run.
type Case = (&'static str, fn(u32));

const CASES: [Case; 12] = [
    ("parse DATA", |times| parse(times, "DATA 262144")),
    ("parse END", |times| parse(times, "END crc64nvme=ae8b14860a799888")),
    ("parse LIST", |times| parse(times, "LIST photos/2026")),
    ("parse DOWNLOAD", |times| {
        parse(times, "DOWNLOAD \"photos/2026/the sea.jpg\" offset=1048576");
    }),
    ("parse UPLOAD", |times| {
        parse(times, "UPLOAD photos/2026/sea.jpg size=31457280 modified=2026-11-22T08:31:25.5Z");
    }),
    ("parse FILE", |times| parse_reply(times, FILE)),
    ("parse OK", |times| parse_reply(times, "OK size=4096 crc64nvme=ae8b14860a799888")),
    ("encode FILE", |times| encode(times, FILE)),
    ("checksum of 4 KiB", |times| {
        let data = vec![7; 4096];
        (0..times).for_each(|_| _ = black_box(Checksum::of(black_box(&data))));
    }),
    ("combine checksums", |times| {
        let (one, other) = (Checksum::of(b"one"), Checksum::of(b"other"));
        (0..times).for_each(|_| _ = black_box(black_box(one).combine(other, 1 << 20)));
    }),
    ("session, 4 KiB up", |times| session(times, true)),
    ("session, 4 KiB down", |times| session(times, false)),
];

const FILE: &str =
    "FILE \"photos/2026/a walk by the sea.jpg\" size=4097 modified=2026-11-22T08:31:25.5Z";

fn parse(times: u32, line: &str) {
    (0..times).for_each(|_| _ = black_box(ClientLine::parse(black_box(line))));
}

fn parse_reply(times: u32, line: &str) {
    (0..times).for_each(|_| _ = black_box(ServerLine::parse(black_box(line))));
}

fn encode(times: u32, line: &str) {
    let line = ServerLine::parse(line).expect("the line is well-formed");
    let mut out = BytesMut::with_capacity(1 << 10);
    for _ in 0..times {
        out.clear();
        black_box(&line).encode(&mut out);
    }
}

/// A client and a server transfer this number of files. Machines, buffers and the files in memory count too.
fn session(files: u32, up: bool) {
    let mut client = Client::new(ClientConfig::default());
    let (mut sources, mut share) = (MemoryFiles::new(false), MemoryFiles::new(true));
    for number in 0..files {
        let name = format!("files/{number:06}");
        let path = FilePath::parse(&name).expect("the path keeps the rules");
        if up {
            sources = sources.with_file(&name, vec![7; 4096]);
            client.request(Request::Upload { path, mode: Mode::Create, if_match: None });
        } else {
            share = share.with_file(&name, vec![7; 4096]);
            let mode = Mode::Create;
            client.request(Request::Download {
                path,
                offset: 0,
                length: None,
                mode,
                if_match: None,
            });
        }
    }
    client.request(Request::Exit);
    let local = LocalFiles { sources, targets: MemoryFiles::new(false) };
    let server = Server::new(Arc::new(ServerConfig::default()));
    let mut session = Pair::new(client, local, server, share, 256 << 10, &[]);
    assert_eq!(session.play(), Standstill::Over);
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [case, times] => {
            let (_, run) = CASES.iter().find(|(name, _)| name == case).ok_or("no such case")?;
            run(times.parse()?);
            Ok(())
        }
        [] => compare(),
        [record] if record == "--record" => record_all(),
        _ => Err("it takes nothing, or --record".into()),
    }
}

fn recorded_at() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

fn record_all() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    for (name, _) in CASES {
        writeln!(text, "{:>8}  {name}", count(name)?)?;
    }
    print!("{text}");
    Ok(fs::write(recorded_at(), text)?)
}

fn compare() -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(recorded_at())?;
    let recorded: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .filter_map(|(count, name)| Some((name, count.parse().ok()?)))
        .collect();
    println!("recorded       now   change");
    for (name, _) in CASES {
        let (before, now) = (recorded.get(name), count(name)?);
        let change = before.map_or_else(
            || String::from("     new"),
            |before| {
                #[expect(clippy::cast_precision_loss, reason = "a percentage is shown")]
                let change = (now as f64 / *before as f64 - 1.0) * 100.0;
                format!("{change:+7.1} %")
            },
        );
        let before = before.map_or_else(String::new, u64::to_string);
        println!("{before:>8}  {now:>8}  {change}  {name}");
    }
    Ok(())
}

/// The instructions of one more repetition. What is not repeated cancels out.
fn count(case: &str) -> Result<u64, Box<dyn Error>> {
    const FEW: u64 = 1_000;
    const MANY: u64 = 3_000;
    Ok((total(case, MANY)? - total(case, FEW)?) / (MANY - FEW))
}

fn total(case: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([case, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1));
    let count = collected.ok_or_else(|| format!("valgrind counted nothing:\n{said}"))?;
    Ok(count.trim().parse()?)
}
