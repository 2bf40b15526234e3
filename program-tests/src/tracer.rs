//! `strace`, attached to a running server.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Bench, Serving};

/// How long the threads of a server may take to stop.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A tracer of all threads of a server, until it detaches.
pub(super) struct Tracer {
    process: Child,
    server: Pid,
    log: PathBuf,
    /// Kept open, so that a further message does not end it.
    _stderr: BufReader<ChildStderr>,
}

impl Tracer {
    /// Attaches `strace` with `options`.
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
        let server = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
        let server = server.expect("a process has a small number");
        Self { process, server, log, _stderr: stderr }
    }

    /// The file that it logs to.
    pub(super) fn log(bench: &Bench) -> PathBuf {
        bench.here().join("calls")
    }

    /// Detaches from the server, and returns what was logged.
    ///
    /// The server's threads are stopped meanwhile. A call that is to fail and has not returned when the tracer detaches
    /// would return `ENOSYS`, which no kernel gives for it.
    pub(super) fn detach(mut self) -> Result<String, String> {
        let _ = kill_process(self.server, Signal::STOP);
        let stopped = self.wait_for_stop();
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let ended = self.process.wait().map_err(|error| error.to_string());
        let _ = kill_process(self.server, Signal::CONT);
        stopped.and(ended)?;
        self.logged()
    }

    fn wait_for_stop(&mut self) -> Result<(), String> {
        let within = Instant::now() + TIMEOUT;
        let threads = format!("/proc/{}/task", self.server.as_raw_nonzero());
        while self.process.try_wait().map_err(|error| error.to_string())?.is_none() {
            let stopped = self.logged()?.matches("--- stopped by SIGSTOP ---").count();
            if stopped >= fs::read_dir(&threads).map_or(0, Iterator::count) {
                return Ok(());
            }
            if Instant::now() > within {
                return Err(String::from("the server does not stop"));
            }
            // There is no event to wait for.
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn logged(&self) -> Result<String, String> {
        fs::read_to_string(&self.log).map_err(|error| error.to_string())
    }
}
