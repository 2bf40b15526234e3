//! A server whose system calls fail while a client uses all of its commands.

use std::io;
use std::path::Path;

use haul_core::Checksum;
use rustix::process::Signal;

use super::calls::Touches;
use super::{Fault, LARGE};
use crate::history::History;
use crate::load::Connection;
use crate::process::{Bench, LINGERING, Serving};
use crate::tracer::Tracer;

/// A server that runs on, so that what one failure leaves behind shows at the next.
pub(super) struct ServerUnderTest {
    server: Serving,
    bench: Bench,
    history: History,
    /// Open sockets while no client is connected.
    alone: usize,
    /// Open descriptors while no client is connected.
    descriptors: usize,
}

impl ServerUnderTest {
    pub(super) fn new(program: &Path) -> Self {
        let bench = Bench::new(program);
        let server = bench.serve(&[]);
        let history = History::default();
        let alone = server.sockets();
        let mut test = Self { server, bench, history, alone, descriptors: usize::MAX };
        // The first sessions open descriptors that a runtime keeps.
        let idle = (0..10).map(|_| {
            test.session(Touches::Files).expect("nothing fails yet");
            test.server.wait_for_sessions(alone, &test.bench.share(), LINGERING).expect("they end");
            test.server.descriptors()
        });
        test.descriptors = idle.min().unwrap_or_default();
        test
    }

    /// Makes one call fail. Returns how often it did.
    pub(super) fn inject(&mut self, fault: &Fault) -> Result<u64, String> {
        let tracer = Tracer::attach(&self.bench, &self.server, &fault.options());
        let told = self.session(fault.touches);
        let times = tracer.detach()?.matches("(INJECTED)").count() as u64;
        told?;
        if times > 0 && fault.call == "unlinkat" {
            // The next start removes what this server could not.
            self.server.signal(Signal::KILL);
            self.server.ended();
            self.server = self.bench.serve(&[]);
        }
        self.server.wait_for_sessions(self.alone, &self.bench.share(), LINGERING)?;
        self.server.wait_for_descriptors(self.descriptors)?;
        self.history.compare(&self.bench.share())?;
        self.history.close();
        self.session(Touches::Files).map_err(|reason| format!("the next client: {reason}"))?;
        Ok(times)
    }

    /// A client that replaces, creates, aborts, lists and downloads.
    fn session(&self, touches: Touches) -> Result<(), String> {
        self.history.remove(&self.bench.share(), "new").map_err(|error| error.to_string())?;
        match self.try_session() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Other) =>
            {
                Err(format!("a hang or a wrong reply: {error}"))
            }
            Err(error) if touches == Touches::Files => Err(format!("no reply: {error}")),
            _ => Ok(()),
        }
    }

    fn try_session(&self) -> io::Result<()> {
        let mut connection = Connection::open(self.server.address())?;
        let uploads = [
            self.history.send("kept/file".into(), LARGE, false),
            self.history.send("new/directory/file".into(), 3_000, true),
        ];
        connection.send(&uploads)?;
        connection.send_bytes(b"UPLOAD given-up\nDATA 5\nhelloABORT\n")?;
        for upload in &uploads {
            let receipt = connection.receipt()?;
            if receipt.starts_with("OK ") {
                self.history.acknowledge(upload);
            } else if !receipt.starts_with("ERR outcome-unknown ") {
                require_error(&receipt)?;
                self.history.refuse(upload);
                if is_busy(&receipt) {
                    return Ok(());
                }
            }
        }
        let receipt = connection.receipt()?;
        require_error(&receipt)?;
        if is_busy(&receipt) {
            return Ok(());
        }
        connection.send_bytes(b"LIST depth=all\nDOWNLOAD kept/file\nEXIT\n")?;
        loop {
            let line = connection.line()?;
            if !line.starts_with("FILE ") && !line.starts_with("DIR ") {
                if !line.starts_with("OK ") {
                    require_error(&line)?;
                }
                if is_busy(&line) {
                    return Ok(());
                }
                break;
            }
        }
        if download(&mut connection)? {
            return Ok(());
        }
        match connection.line()?.as_str() {
            "OK \"bye\"" => Ok(()),
            line => Err(io::Error::other(format!("EXIT was answered {line:?}"))),
        }
    }
}

/// Downloads a file. Returns whether the session ended with it.
fn download(connection: &mut Connection) -> io::Result<bool> {
    let mut received = Vec::new();
    loop {
        let line = connection.line()?;
        if let Some(length) = line.strip_prefix("DATA ") {
            received.extend(connection.payload(length.parse().map_err(io::Error::other)?)?);
        } else if line.starts_with("OK ") {
            let checksum = format!("crc64nvme={}", Checksum::of(&received));
            return if line.ends_with(&checksum) { Ok(false) } else { Err(io::Error::other(line)) };
        } else if !line.starts_with("SENDING ") {
            return require_error(&line).map(|()| is_busy(&line));
        }
    }
}

/// Whether the reply is `busy`: the server lacks a resource for now, and closes.
fn is_busy(line: &str) -> bool {
    line.starts_with("ERR busy ")
}

/// The error must blame the server's machine, or nobody, but not the client.
fn require_error(line: &str) -> io::Result<()> {
    if line.starts_with("ERR ") && !line.starts_with("ERR protocol ") {
        Ok(())
    } else {
        Err(io::Error::other(format!("{line:?} is no clear error")))
    }
}
