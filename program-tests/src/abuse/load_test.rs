//! A server under attack, and what is measured of it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::honest::{self, Times};
use super::meter::Meter;
use super::report::Report;
use crate::process::{Bench, Serving};
use crate::unfinished::unfinished;

/// Far longer than anything here takes. Only a hang gets there.
const TIMEOUT: Duration = Duration::from_mins(2);
/// The interval of polling where there is no event to wait for.
const PAUSE: Duration = Duration::from_millis(1);
/// Requests before the idle server is measured.
const WARM_UP: usize = 20;
/// Goal: how many times longer an honest client's request may take under attack.
const SLOWER: u32 = 3;
/// The number of addresses that attackers come from, each with a share of the places.
pub(super) const ADDRESSES: usize = 100;

/// A server with an honest client. The idle server was measured first.
pub(super) struct LoadTest {
    pub(super) bench: Bench,
    pub(super) server: Serving,
    pub(super) meter: Meter,
    pub(super) report: Report,
    /// Open descriptors without a client.
    idle: usize,
    before: Duration,
    cpu: Duration,
}

impl LoadTest {
    /// Starts a server, and measures it by `requests` requests.
    pub(super) fn start(
        attack: &'static str,
        bench: Bench,
        server: Serving,
        requests: usize,
    ) -> Self {
        fs::write(bench.share().join(honest::NAME), [b'x'; honest::SIZE])
            .expect("the share is writable");
        let meter = Meter::new(server.id());
        // The first sessions open descriptors that a runtime keeps.
        let idle = (0..WARM_UP).map(|_| {
            honest::request(server.address()).expect("nobody attacks yet");
            meter.descriptors()
        });
        let idle = idle.min().unwrap_or_default();
        let mut times = Times::of(server.address(), requests).expect("nobody attacks yet");
        let before = times.p99();
        let cpu = meter.cpu();
        let report = Report { attack, ..Report::default() };
        Self { bench, server, meter, report, idle, before, cpu }
    }

    /// Runs the attack beside the honest client.
    pub(super) fn attack<T: Send>(&mut self, attack: impl FnOnce(&Self) -> T + Send) -> T {
        let over = AtomicBool::new(false);
        let (server, this) = (self.server.address(), &*self);
        let (outcome, times) = thread::scope(|scope| {
            let honest = scope.spawn(|| Times::until(server, &over));
            let outcome = {
                let _over = SetOnDrop(&over);
                attack(this)
            };
            (outcome, honest.join().expect("the honest client does not panic"))
        });
        match times {
            Ok(mut times) => {
                let (before, under) = (self.before, times.p99());
                self.report.honest = Some((before, under));
                self.report
                    .aim(under <= before * SLOWER, || format!("honest p99 within {SLOWER}×"));
            }
            Err(error) => self.report.violations.push(format!("under attack: {error}")),
        }
        outcome
    }

    /// Waits until nothing is left of the attack: no descriptor, no staged file, and a client is served. The attack
    /// must be over.
    pub(super) fn recover(&mut self) {
        let began = Instant::now();
        if !wait_until(|| self.beyond_idle() == 0) {
            let more = self.beyond_idle();
            self.report.violations.push(format!("{more} descriptors stay open"));
        }
        let staged = self.staged();
        self.report.require(staged == 0, || format!("{staged} files are left unfinished"));
        // Connections of attackers that are gone may still wait for `accept`, and then take the places once more. A
        // client that gets `busy` meanwhile tries again.
        let mut served = Ok(());
        wait_until(|| {
            served = honest::request(self.server.address()).map(drop);
            !served.as_ref().is_err_and(|error| error.to_string().contains("ERR busy"))
        });
        if let Err(error) = served {
            self.report.violations.push(format!("afterwards: {error}"));
        }
        self.report.recovered = began.elapsed();
    }

    /// Descriptors beyond those of the idle server.
    pub(super) fn beyond_idle(&self) -> usize {
        self.meter.descriptors().saturating_sub(self.idle)
    }

    /// The number of temporary files that have names.
    pub(super) fn staged(&self) -> usize {
        unfinished(&self.bench.share()).len()
    }

    /// Ends the test and reports what the attack cost.
    pub(super) fn end(mut self, attackers: usize) -> Report {
        self.report.attackers = attackers;
        self.report.peak = self.meter.peak();
        self.report.cpu = self.meter.cpu().saturating_sub(self.cpu);
        self.report
    }
}

/// Sets the flag when it is dropped, on a panic too.
pub(super) struct SetOnDrop<'a>(pub(super) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls until `holds`; false if it never does. For files and directories that send no event, such as those of /proc.
pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// A connection of one of many attackers, with a small receive buffer.
pub(super) fn connect(server: SocketAddr, attacker: usize) -> TcpStream {
    let host = u8::try_from(attacker % ADDRESSES).unwrap_or(0);
    connect_from(Ipv4Addr::new(127, 1, 0, host + 1), server)
}

/// A connection from this loopback address.
pub(super) fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let connected = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4 << 10)?;
        socket.set_send_buffer_size(64 << 10)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&server.into())?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        std::io::Result::Ok(socket.into())
    };
    connected().expect("the server can be reached")
}
