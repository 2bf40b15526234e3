//! `strace`, attached to a running server.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{Bench, Serving};

/// A tracer of all threads of a server. It goes on until it is told to detach.
pub(super) struct Tracer {
    process: Child,
    log: PathBuf,
    /// Kept open: what else it says shall not end it.
    _stderr: BufReader<ChildStderr>,
}

impl Tracer {
    /// Begins to trace as `options` say.
    pub(super) fn attach<S: AsRef<OsStr>>(bench: &Bench, server: &Serving, options: &[S]) -> Self {
        let log = Self::log(bench);
        let mut process = Command::new("strace")
            .args(["-f", "-p", &server.id().to_string(), "-o"])
            .arg(&log)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace was started before");
        let mut attached = String::new();
        let mut stderr = BufReader::new(process.stderr.take().expect("its stderr is a pipe"));
        stderr.read_line(&mut attached).expect("it can be read");
        assert!(attached.contains("attached"), "strace said {attached:?}");
        Self { process, log, _stderr: stderr }
    }

    /// Where it logs.
    pub(super) fn log(bench: &Bench) -> PathBuf {
        bench.here().join("calls")
    }

    /// Lets the server go on alone. Answers what was logged.
    pub(super) fn detach(mut self) -> Result<String, String> {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        self.process.wait().map_err(|error| error.to_string())?;
        fs::read_to_string(&self.log).map_err(|error| error.to_string())
    }
}
