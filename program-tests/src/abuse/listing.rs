//! A directory of very many entries that changes while it is listed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::load_test::{LoadTest, SetOnDrop, connect};
use super::report::Report;
use super::size::Size;
use crate::process::Bench;

/// The most memory that a listing may take, in bytes, however many entries there are.
const MOST_MORE: u64 = 4 << 20;
/// Entries that appear and disappear again and again.
const CHANGING: usize = 1_000;

/// A listing of very many entries while some appear and disappear: each of the others is listed once, and the server
/// uses little memory.
pub(super) fn long_listing(program: &Path, size: Size) -> Report {
    let entries = size.of(1_000_000, 20_000);
    let bench = Bench::new(program);
    let many = bench.share().join("many");
    fs::create_dir(&many).expect("the share is writable");
    for number in 0..entries {
        File::create(many.join(number.to_string())).expect("the share is writable");
    }
    let server = bench.serve(&[]);
    let mut test = LoadTest::start("a long listing that changes", bench, server, size.requests());
    let before = test.meter.peak();
    let (seen, changes) = test.attack(|test| {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let changes = scope.spawn(|| change(&many, &over));
            let seen = {
                let _over = SetOnDrop(&over);
                list(test, entries)
            };
            (seen, changes.join().expect("files can be made and removed"))
        })
    });
    let wrong = seen.iter().filter(|times| **times != 1).count();
    test.report.require(wrong == 0, || format!("{wrong} entries were not listed once"));
    test.recover();
    // The kernel counts resident pages for each processor, and its sum is approximate.
    let more = test.meter.peak().saturating_sub(before);
    test.report.require(more <= MOST_MORE, || format!("{} KiB more were resident", more >> 10));
    test.report.figures.push(format!(
        "{entries} entries, {changes} changes meanwhile, {} KiB more resident",
        more >> 10
    ));
    test.end(1)
}

/// How often each of the entries is listed.
fn list(test: &LoadTest, entries: usize) -> Vec<u8> {
    let mut socket = BufReader::new(connect(test.server.address(), 0));
    socket.get_mut().write_all(b"LIST many\nEXIT\n").expect("a command is taken");
    let mut seen = vec![0; entries];
    for line in socket.lines() {
        let line = line.expect("a server answers in UTF-8");
        let name = line.strip_prefix("FILE \"many/").and_then(|rest| rest.split('"').next());
        if let Some(number) = name.and_then(|name| name.parse::<usize>().ok()) {
            seen[number] += 1;
        }
    }
    seen
}

/// Creates and removes files until `over` is set. Returns the number of changes.
fn change(directory: &Path, over: &AtomicBool) -> usize {
    let mut changes = 0;
    while !over.load(Ordering::SeqCst) {
        let file = directory.join(format!("changing {}", changes % CHANGING));
        if fs::remove_file(&file).is_err() {
            File::create(&file).expect("the share is writable");
        }
        changes += 1;
    }
    changes
}
