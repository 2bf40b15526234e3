//! A mount that hangs, because the process that serves it is stopped. The check panics when the program does something
//! wrong.

// Panicking is how a check fails.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::process::{Bench, Raw, Serving};
use crate::requirements::or_skip;
use crate::running::pid;

/// More sessions than any program has threads for other work.
const HANGING: usize = 80;
/// The interval of polling where there is no event to wait for.
const PAUSE: Duration = Duration::from_millis(5);

/// Sessions that wait for a hung mount delay neither other sessions nor new clients. A second signal ends the server
/// though the threads of those sessions do not end.
pub fn a_hung_mount_is_nobody_elses_matter(program: &Path) {
    let bench = Bench::new(program);
    fs::create_dir(bench.share().join("fine")).unwrap();
    fs::write(bench.share().join("fine/file"), "served").unwrap();
    fs::write(bench.here().join("file"), "hung").unwrap();
    let Some(mount) = or_skip(Mount::new(&bench.here(), bench.share().join("hung"))) else {
        return;
    };
    let places = (2 * HANGING).to_string();
    let mut server = bench.serve(&["--max-clients", &places, "--max-clients-per-address", &places]);
    let mut other = greeted(&server);
    // A call that the mount's process has accepted cannot be interrupted, so the kernel keeps the server until it is
    // answered.
    until(|| !is_sweeping(&server));
    mount.stop();
    let _hanging: Vec<Raw> = (0..HANGING)
        .map(|_| {
            let mut raw = greeted(&server);
            raw.send(b"DOWNLOAD hung/file\n");
            raw
        })
        .collect();
    until(|| threads_that_hang(&server) >= HANGING.min(64));
    for raw in [&mut other, &mut greeted(&server)] {
        raw.send(b"DOWNLOAD fine/file\n");
        assert!(raw.line().starts_with("SENDING size=6 "));
        assert_eq!(raw.line(), "DATA 6");
        assert!(raw.line().starts_with("servedOK length=6 "));
    }
    server.signal(Signal::TERM);
    assert!(other.line().starts_with("ERR shutting-down "));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

fn greeted(server: &Serving) -> Raw {
    let mut raw = server.connect();
    assert!(raw.line().starts_with("HAUL/1 "));
    raw
}

/// Polls where there is no event to wait for. If it never holds, the test's own timeout ends it.
fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        thread::sleep(PAUSE);
    }
}

/// How many of the server's threads wait for a FUSE file system.
fn threads_that_hang(server: &Serving) -> usize {
    threads(server, "wchan").filter(|waits| waits.contains("request_wait")).count()
}

/// Whether the server still looks for staged files of an earlier run.
fn is_sweeping(server: &Serving) -> bool {
    threads(server, "comm").any(|name| name.trim() == "haul-sweep")
}

/// A file of /proc for each of the server's threads.
fn threads(server: &Serving, file: &str) -> impl Iterator<Item = String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).expect("it runs");
    tasks.flatten().map(move |task| fs::read_to_string(task.path().join(file)).unwrap_or_default())
}

/// A directory that a process shows by FUSE.
struct Mount {
    process: Child,
    at: PathBuf,
}

impl Mount {
    fn new(from: &Path, at: PathBuf) -> Result<Self, String> {
        fs::create_dir(&at).map_err(|error| error.to_string())?;
        let process = Command::new("bindfs")
            .args(["-f", "-o", "entry_timeout=0,attr_timeout=0"])
            .args([from, &at])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("bindfs does not run here: {error}"))?;
        let mut mount = Self { process, at };
        while !mount.at.join("file").exists() {
            if let Ok(Some(status)) = mount.process.try_wait() {
                return Err(format!("bindfs does not mount here: {status}"));
            }
            thread::sleep(PAUSE);
        }
        Ok(mount)
    }

    fn stop(&self) {
        let status = || {
            let stat = format!("/proc/{}/stat", self.process.id());
            fs::read_to_string(stat).expect("it runs")
        };
        kill_process(pid(&self.process), Signal::STOP).expect("it runs");
        until(|| status().contains(") T "));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The kernel tells the process that its mount is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
