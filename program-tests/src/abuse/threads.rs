//! A system that cannot start threads.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitStatus;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::honest;
use super::load_test::{LoadTest, wait_until};
use super::report::Report;
use super::size::Size;
use crate::process::{Bench, Serving};
use crate::requirements::can_inject;
use crate::tracer::Tracer;

/// The number of threads of a starting program that fail to start, one at a time: more than it starts on a small
/// machine.
const FIRST_THREADS: u32 = 4;

/// How long no thread can start while clients connect.
const WHILE: Duration = Duration::from_secs(2);

/// Threads cannot start, first when the program starts, then while it serves: it reports an error and ends, or it
/// serves. Sessions that have a thread go on, and the server works normally once threads can start again. `None` where
/// system calls cannot be made to fail.
pub(super) fn no_threads(program: &Path, size: Size) -> Option<Report> {
    if !can_inject() {
        return None;
    }
    let clients = size.of(200, 8);
    let bench = Bench::new(program);
    let server = bench.serve(&[]);
    let mut test = LoadTest::start("threads that cannot start", bench, server, size.requests());
    let mut starts = Vec::new();
    for failing in (1..=FIRST_THREADS).map(|number| number.to_string()).chain(["1+".into()]) {
        let when = format!("thread {failing} fails");
        match start(program, &failing) {
            Ok(outcome) => starts.push(format!("{when}: {outcome}")),
            Err(reason) => test.report.violations.push(format!("{when}: {reason}")),
        }
    }
    test.report.figures.extend(starts);
    let mut living = test.server.connect();
    living.send(b"LIST\n");
    while !living.line().starts_with("OK ") {}
    let inject = ["-e", "trace=clone3", "-e", "inject=clone3:error=EAGAIN"];
    let tracer = Tracer::attach(&test.bench, &test.server, &inject);
    let address = test.server.address();
    let (answered, outcomes) = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..clients).map(|_| scope.spawn(move || honest::request(address))).collect();
        living.send(b"LIST\nEXIT\n");
        // The transport decides whether they are served, refused or waiting. Those that wait do not end before threads
        // can start.
        let until = Instant::now() + WHILE;
        wait_until(|| clients.iter().all(ScopedJoinHandle::is_finished) || Instant::now() > until);
        let answered = clients.iter().filter(|client| client.is_finished()).count();
        tracer.detach().expect("strace has a log");
        // async-std tries to start a thread again only when there is more work.
        let next = honest::request(address);
        let outcomes = clients.into_iter().map(|client| client.join().expect("it does not panic"));
        (answered, outcomes.chain([next]).collect::<Vec<_>>())
    });
    let lived = living.rest();
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        test.report.require(error.kind() != ErrorKind::WouldBlock, || {
            String::from("a client that came when no thread could start waited for ever")
        });
    }
    test.report
        .require(lived.contains("OK entries=1\r\n") && lived.ends_with("OK \"bye\"\r\n"), || {
            format!("a session that had begun was answered {lived:?}")
        });
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    test.report.figures.push(format!(
        "of {clients} clients {answered} were answered meanwhile, {kept} were served in the end"
    ));
    drop(living);
    test.recover();
    Some(test.end(clients))
}

/// Starts the program while the first thread's attempts numbered `failing` to start a thread fail.
fn start(program: &Path, failing: &str) -> Result<&'static str, String> {
    let bench = Bench::new(program);
    std::fs::write(bench.share().join(honest::NAME), [b'x'; honest::SIZE])
        .expect("the share is writable");
    let inject = format!("inject=clone3:error=EAGAIN:when={failing}");
    let launcher =
        ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3", "-e", &inject];
    match bench.try_serve_under(&launcher, &[]) {
        Ok(server) => serves(&server),
        Err(ended) if tells(ended.status, &ended.stderr) => Ok("ends with one line"),
        Err(ended) => Err(format!("{}, and says {:?}", ended.status, ended.stderr)),
    }
}

/// Distinguishes a failed first thread of a session from a hang.
fn serves(server: &Serving) -> Result<&'static str, String> {
    match honest::request(server.address()) {
        Ok(_) => Ok("serves"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err("a client waits for ever".into())
        }
        Err(_) => Ok("serves, but not the first client"),
    }
}

fn tells(status: ExitStatus, stderr: &str) -> bool {
    status.code().is_some_and(|code| code != 0 && code != 101)
        && stderr.lines().count() == 1
        && !stderr.contains("panicked")
}
