//! A server, and clients that reach it through a bad network.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use haul_harness::Content;
use rustix::process::Signal;

use super::wire::{Side, Wire};
use crate::process::{Bench, LINGERING, Serving};
use crate::proxy::{Fault, Plan, Proxy, Tap, Way};
use crate::running::{Ended, Running};

/// A client that has not ended by then probably waits for something that will not come, so its connection is reset. One
/// that was only slow gets a reset, and is judged in the same way.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Whether this is the exit code of a client that SIGINT or SIGTERM ended.
pub(super) fn is_interrupted(code: Option<i32>) -> bool {
    [Signal::INT, Signal::TERM].iter().any(|signal| code == Some(128 + signal.as_raw()))
}

/// The file that an upload replaces.
const OLD: &[u8] = b"what was there before";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Put,
    Get,
}

/// A transfer of `size` bytes, and what passes if nothing goes wrong.
pub(super) struct Transfer {
    pub(super) ask: Ask,
    pub(super) up: Wire,
    pub(super) down: Wire,
    name: String,
    bytes: Vec<u8>,
}

impl Transfer {
    pub(super) fn wire(&self, side: Side) -> &Wire {
        match side {
            Side::Up => &self.up,
            Side::Down => &self.down,
        }
    }
}

/// How a transfer ended.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// The connection had to be reset to end the client.
    pub(super) reset: bool,
    /// The bytes are where they should be.
    pub(super) arrived: bool,
    /// An upload has all of its bytes under a name that nobody gave it.
    pub(super) misdirected: bool,
}

impl Outcome {
    pub(super) fn is_done(&self) -> bool {
        self.ended.status.code() == Some(0)
    }
}

/// The server, with a proxy before it.
pub(super) struct Rig {
    pub(super) server: Serving,
    proxy: Proxy,
    /// The plan of the next connection.
    next: Arc<Mutex<Plan>>,
    /// The sockets that the server has without a session.
    alone: usize,
    descriptors: usize,
    pub(super) bench: Bench,
}

impl Rig {
    pub(super) fn new(program: &Path) -> Self {
        let bench = Bench::new(program);
        let server = bench.serve(&[]);
        let next: Arc<Mutex<Plan>> = Arc::default();
        let plan = {
            let next = Arc::clone(&next);
            move |_| next.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        let any = ([127, 0, 0, 1], 0).into();
        let proxy = Proxy::start(any, server.address(), plan).expect("a port is free");
        let alone = server.sockets();
        let mut rig = Self { server, proxy, next, alone, descriptors: usize::MAX, bench };
        // The first sessions open descriptors that a runtime keeps.
        for _ in 0..5 {
            rig.transfer(Ask::Put, 40);
        }
        rig.descriptors = rig.server.descriptors();
        rig
    }

    /// Records a transfer that succeeds, to be repeated with faults.
    pub(super) fn transfer(&self, ask: Ask, size: usize) -> Transfer {
        let bytes = Content::pattern(size).to_vec();
        let name = format!("of-{size}");
        for directory in [self.bench.share(), self.bench.here()] {
            write(&directory.join(&name), &bytes).expect("it can be written");
        }
        let mut transfer =
            Transfer { ask, name, bytes, up: Wire::default(), down: Wire::default() };
        let (up, down) = (Tap::default(), Tap::default());
        let tapped = |tap: &Tap| Way { tap: Some(tap.clone()), ..Way::default() };
        let plan = Plan { up: tapped(&up), down: tapped(&down) };
        let outcome = self.attempt(&transfer, plan, |_| {}).expect("nothing goes wrong");
        assert!(outcome.is_done() && outcome.arrived, "{}", outcome.ended.stderr);
        (transfer.up, transfer.down) = (Wire::new(up.bytes()), Wire::new(down.bytes()));
        transfer
    }

    /// Runs the transfer with faults. `meddle` may do something to the client once it has begun. The error is what is
    /// wrong whatever the fault was: a torn or a left file, no clear message, a hang.
    pub(super) fn attempt(
        &self,
        transfer: &Transfer,
        plan: Plan,
        meddle: impl FnOnce(&Running),
    ) -> Result<Outcome, String> {
        let (here, share) = (self.bench.here(), self.bench.share());
        fs::write(share.join("put"), OLD).map_err(|error| error.to_string())?;
        let _ = fs::remove_file(here.join("target"));
        let stalls =
            [&plan.up, &plan.down].iter().any(|way| matches!(way.fault, Some((_, Fault::Stall))));
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        let client = self.start(transfer);
        meddle(&client);
        let reset = !client.ends_within(TIMEOUT);
        if reset {
            self.proxy.reset();
        }
        let ended = client.ended();
        if stalls {
            // The server does not notice that the client is gone.
            self.proxy.reset();
        }
        let said = format!("{}, {:?}", ended.status, ended.stderr);
        self.judge(transfer, ended, reset).map_err(|reason| format!("{reason} ({said})"))
    }

    fn start(&self, transfer: &Transfer) -> Running {
        let url = format!("haul://{}", self.proxy.address());
        let name = transfer.name.as_str();
        match transfer.ask {
            Ask::Put => {
                self.bench.start(&["put", "--retry", "0", "--server", &url, name, "--as", "put"])
            }
            Ask::Get => {
                self.bench.start(&["get", "--retry", "0", "--server", &url, name, "-o", "target"])
            }
        }
    }

    fn judge(&self, transfer: &Transfer, ended: Ended, reset: bool) -> Result<Outcome, String> {
        let done = match ended.status.code() {
            None => return Err(String::from("ended by a signal")),
            Some(1) => return Err(String::from("something that should not happen")),
            Some(code) => code == 0,
        };
        // A client that is interrupted twice says nothing.
        let silent = is_interrupted(ended.status.code()) && ended.stderr.is_empty();
        let clear = ended.stderr.lines().count() == 1 && !ended.stderr.contains("panicked");
        if !done && !silent && !clear {
            return Err(String::from("no clear line"));
        }
        let (here, share) = (self.bench.here(), self.bench.share());
        if let Some(name) = unknown(&here, &["of-", "target"]).first() {
            return Err(format!("the client left {}", name.display()));
        }
        // Until then the server may still publish what has arrived, though the client is gone.
        self.server.wait_for_sessions(self.alone, &share, LINGERING)?;
        let mut misdirected = false;
        for name in unknown(&share, &["of-", "put"]) {
            let bytes = fs::read(share.join(&name)).map_err(|error| error.to_string())?;
            fs::remove_file(share.join(&name)).map_err(|error| error.to_string())?;
            if bytes != transfer.bytes {
                return Err(format!("{} is torn", name.display()));
            }
            misdirected = true;
        }
        let put = fs::read(share.join("put")).map_err(|error| error.to_string())?;
        let target = fs::read(here.join("target")).ok();
        let arrived = match (transfer.ask, &target) {
            (Ask::Put, _) => put == transfer.bytes,
            (Ask::Get, Some(target)) => *target == transfer.bytes,
            (Ask::Get, None) => false,
        };
        if put != OLD && !(transfer.ask == Ask::Put && arrived) {
            return Err(String::from("what was there before is gone"));
        }
        if target.is_some() && !(done && arrived) {
            return Err(String::from("the target is there, and should not be"));
        }
        Ok(Outcome { ended, reset, arrived, misdirected })
    }

    /// Waits until nothing of a session is left in the server, and makes one more transfer.
    pub(super) fn finish(&self) -> Result<(), String> {
        self.server.wait_for_descriptors(self.descriptors)?;
        self.transfer(Ask::Put, 40);
        Ok(())
    }
}

/// Writes a file with a fixed time, so that the server says the same of it every time.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789))
}

/// The names in a directory that begin with none of these.
fn unknown(directory: &Path, known: &[&str]) -> Vec<OsString> {
    let entries = fs::read_dir(directory).expect("it is a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it can be read").file_name()).collect();
    names.retain(|name| {
        !known.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
    });
    names
}
