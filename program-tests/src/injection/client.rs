//! A client whose system calls fail.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::{Fault, LARGE};
use crate::history::{History, Upload};
use crate::process::{Bench, Serving};
use crate::running::Ended;

/// The thread that waits for signals uses a socket pair. No kernel returns the errors of connections there, so failures
/// there are not judged.
const SIGNALS: &str = "<haul-signals>";

/// The exit code of `timeout` when it had to end the command.
const HUNG: i32 = 124;

/// Runs one command of a program again and again, with a server that works.
pub(super) struct ClientUnderTest {
    server: Serving,
    bench: Bench,
    history: History,
    command: &'static str,
    /// The file that `get` and `ls` find.
    found: Upload,
}

impl ClientUnderTest {
    pub(super) fn new(program: &Path, command: &'static str) -> Self {
        let bench = Bench::new(program);
        let history = History::default();
        let found = history.send("served".into(), LARGE, false);
        fs::write(bench.share().join("served"), found.bytes()).expect("it can be written");
        history.acknowledge(&found);
        let server = bench.serve(&[]);
        Self { server, bench, history, command, found }
    }

    /// Makes one call fail. Returns how often it did.
    pub(super) fn inject(&self, fault: &Fault) -> Result<u64, String> {
        let here = self.bench.here();
        for name in self.names() {
            fs::remove_file(here.join(name)).expect("it was just seen");
        }
        let upload = self.history.send("put".into(), LARGE, false);
        fs::write(here.join("source"), upload.bytes()).expect("it can be written");
        let ended = self.run(fault);
        let log = fs::read_to_string(here.join("calls")).expect("strace made it");
        let injected = log.lines().filter(|line| line.ends_with("(INJECTED)"));
        let (made_up, real): (Vec<_>, Vec<_>) = injected.partition(|line| line.contains(SIGNALS));
        if made_up.is_empty() {
            let may_leave = !real.is_empty() && fault.call == "unlinkat";
            self.judge(&ended, &upload, may_leave).map_err(|reason| {
                format!("{reason}; exit {:?}, stderr {:?}", ended.status, ended.stderr)
            })?;
        }
        Ok(real.len() as u64)
    }

    fn run(&self, fault: &Fault) -> Ended {
        let log = self.bench.here().join("calls");
        let options = fault.options();
        // On SIGTERM the tracer ends the process that it started; killed, it cannot.
        let mut launcher = vec![
            "timeout",
            "-k5",
            "20",
            "strace",
            "-f",
            "-qq",
            "-Y",
            "-o",
            log.to_str().expect("a plain name"),
        ];
        launcher.extend(options.iter().map(String::as_str));
        let url = self.server.url();
        let mut args = vec![self.command, "--server", &url];
        args.extend(match self.command {
            "put" => &["source", "--as", "put"][..],
            "get" => &["served", "-o", "target"],
            _ => &[],
        });
        self.bench.run_under(&launcher, &args, b"")
    }

    fn judge(&self, ended: &Ended, upload: &Upload, may_leave: bool) -> Result<(), String> {
        let done = match ended.status.code() {
            Some(HUNG) => return Err(String::from("hung")),
            Some(code) => code == 0,
            None => return Err(String::from("ended by a signal")),
        };
        // If another thread makes the next attempt, the call fails for that thread too.
        let tries = |line: &&str| line.contains("; connecting again in ");
        let lines = ended.stderr.lines().filter(|line| !tries(line)).count();
        if !done && (lines != 1 || ended.stderr.contains("panicked")) {
            return Err(String::from("no clear line"));
        }
        if self.command == "put" && done {
            self.history.acknowledge(upload);
        }
        self.history.compare(&self.bench.share())?;
        let target = fs::read(self.bench.here().join("target")).ok();
        if target.is_some() != (self.command == "get" && done) {
            return Err(String::from("the target and the outcome do not agree"));
        }
        if target.is_some_and(|bytes| bytes != self.found.bytes()) {
            return Err(String::from("the target is torn"));
        }
        let known = |name: &OsString| ["source", "target", "calls"].iter().any(|it| name == it);
        let mut left = self.names();
        left.retain(|name| !known(name));
        if left.is_empty() || may_leave { Ok(()) } else { Err(format!("left behind: {left:?}")) }
    }

    /// The names in the client's directory.
    fn names(&self) -> Vec<OsString> {
        let entries = fs::read_dir(self.bench.here()).expect("it is a directory");
        entries.map(|entry| entry.expect("it can be read").file_name()).collect()
    }
}
