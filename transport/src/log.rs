//! The server's log about its clients: a line for each request for files, and only what a reader needs about everything
//! else.
//!
//! A client decides how many requests it makes and what they contain. So each string from a client is quoted. Lines
//! that cost a client nothing, such as invalid lines and refused connections, are logged at a limited rate and counted
//! beyond it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use haul_core::account::UserName;
use haul_core::message::{Refusal, Summary};
use haul_core::server::ServerEvent;
use haul_core::verb::{Exit, Help};
use haul_core::{Checksum, Command, ErrorCode, Escaped, StoreError, StoreErrorKind};
use tracing::field::{DisplayValue, display};
use tracing::{Level, Span, debug, error_span, info, warn};

/// Lines about no request, for all clients: this many at once, and then one in each interval.
const SERVER_RATE: (u32, Duration) = (100, Duration::from_secs(1));
/// The same for one session.
const SESSION_RATE: (u32, Duration) = (10, Duration::from_secs(6));

/// The log that the sessions of a server share.
#[derive(Debug)]
pub(crate) struct Log {
    sessions: AtomicU64,
    rate: Mutex<RateLimit>,
    /// Lines that were left out and not reported yet.
    omitted: AtomicU64,
}

impl Log {
    /// An empty log.
    pub(crate) fn new() -> Self {
        Self {
            sessions: AtomicU64::new(0),
            rate: Mutex::new(RateLimit::new(SERVER_RATE)),
            omitted: AtomicU64::new(0),
        }
    }

    /// The span of each line of a new session. It exists at every log level.
    pub(crate) fn session(&self, peer: SocketAddr) -> Span {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        error_span!("session", %peer, number)
    }

    /// Logs that a client was refused. `told` says whether it got a reply.
    pub(crate) fn refused(&self, peer: SocketAddr, now: Duration, told: bool) {
        if self.admits(now, 1) {
            info!(%peer, outcome = %ErrorCode::Busy, told);
        }
    }

    /// Logs that a client was not served because the system lacks a resource.
    pub(crate) fn failed(&self, peer: SocketAddr, now: Duration, error: &io::Error) {
        if self.admits(now, 1) {
            warn!(%peer, outcome = %ErrorCode::Busy, %error, "cannot start a thread");
        }
    }

    /// Whether a line that stands for `lines` may be written; if not, they are counted.
    fn admits(&self, now: Duration, lines: u64) -> bool {
        let admitted = self.rate.lock().unwrap_or_else(PoisonError::into_inner).admits(now);
        if admitted {
            self.report_omitted();
        } else {
            self.omitted.fetch_add(lines, Ordering::Relaxed);
        }
        admitted
    }

    /// Logs how many lines were left out and not reported yet. The server calls this when it ends.
    pub(crate) fn report_omitted(&self) {
        let lines = self.omitted.swap(0, Ordering::Relaxed);
        if lines > 0 {
            info!(lines, "left out: refused clients and requests came too fast");
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// The log of one session. Its lines belong to the [`Span`](Log::session) of the session.
#[derive(Debug)]
pub(crate) struct SessionLog<'a> {
    log: &'a Log,
    rate: RateLimit,
    omitted: u64,
    /// The number of answered requests.
    answered: u64,
    user: Option<UserName>,
    now: Duration,
}

impl<'a> SessionLog<'a> {
    /// The log of a session that has this user from the start.
    pub(crate) fn new(log: &'a Log, user: Option<UserName>) -> Self {
        let rate = RateLimit::new(SESSION_RATE);
        Self { log, rate, omitted: 0, answered: 0, user, now: Duration::ZERO }
    }

    /// Sets the current time.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.now = now;
    }

    pub(crate) fn event(&mut self, event: &ServerEvent) {
        match event {
            ServerEvent::Answered { id, command, reply, cause, began, ended } => {
                self.answered = id.0;
                if let (Some(Command::Auth(_)), Ok(Summary { user: Some(user), .. })) =
                    (command, reply)
                {
                    self.user = Some(user.clone());
                }
                let line = line(id.0, *began, *ended);
                let line = match reply {
                    Ok(summary) => line.ok(summary),
                    Err(refusal) => line.refused(refusal, cause.as_ref()),
                };
                self.end(command.as_ref(), line);
            }
            ServerEvent::CutOff { command, refusal, began, ended } => {
                let line = line(self.answered + 1, *began, *ended).refused(refusal, None);
                self.end(command.as_ref(), line);
            }
            ServerEvent::Disconnected { command: Some(command), began, ended } => {
                let line = Line { outcome: "vanished", ..line(self.answered + 1, *began, *ended) };
                self.end(Some(command), line);
            }
            ServerEvent::Disconnected { command: None, .. } => debug!(outcome = %"vanished"),
        }
    }

    fn end(&mut self, command: Option<&Command>, line: Line<'_>) {
        let user = self.user.clone();
        let line = Line { user: user.as_ref(), command, ..line };
        // Anybody can cause as many of these as they like.
        let is_free = command.is_none() || line.outcome == ErrorCode::Unauthenticated.as_str();
        if command.is_none() && line.outcome == ErrorCode::ShuttingDown.as_str() {
            // Each session gets this when the server stops.
            line.write_at(Level::DEBUG);
        } else if !is_free || self.admits() {
            line.write();
        }
    }

    fn admits(&mut self) -> bool {
        let admitted = self.rate.admits(self.now);
        if admitted {
            self.report_omitted();
        } else {
            self.omitted += 1;
        }
        admitted && self.log.admits(self.now, 1)
    }

    fn report_omitted(&mut self) {
        let lines = std::mem::take(&mut self.omitted);
        if lines > 0 && self.log.admits(self.now, lines) {
            info!(lines, "left out: further lines that are no request");
        }
    }
}

impl Drop for SessionLog<'_> {
    fn drop(&mut self) {
        self.report_omitted();
    }
}

fn line<'l>(request: u64, began: Duration, ended: Duration) -> Line<'l> {
    Line { request, took: ended.saturating_sub(began), ..Line::default() }
}

/// The outcome of a request.
#[derive(Debug, Default, Clone, Copy)]
struct Line<'l> {
    request: u64,
    user: Option<&'l UserName>,
    command: Option<&'l Command>,
    outcome: &'l str,
    summary: Option<&'l Summary>,
    took: Duration,
    cause: Option<&'l str>,
    /// The storage failed, so an operator should check it.
    serious: bool,
}

impl<'l> Line<'l> {
    fn ok(self, summary: &'l Summary) -> Self {
        Self { outcome: "ok", summary: Some(summary), ..self }
    }

    fn refused(self, refusal: &'l Refusal, cause: Option<&'l StoreError>) -> Self {
        // The client causes the other failures: it must not be able to fill a log with warnings.
        let serious = matches!(
            cause.map(|cause| cause.kind),
            Some(StoreErrorKind::Io | StoreErrorKind::NoSpace)
        );
        let cause = cause.map_or(&*refusal.text, |cause| &*cause.detail);
        Self { outcome: &refusal.word, cause: Some(cause), serious, ..self }
    }

    fn write(self) {
        let level = match self.command {
            _ if self.serious => Level::WARN,
            Some(Command::Help(Help) | Command::Exit(Exit)) => Level::DEBUG,
            _ => Level::INFO,
        };
        self.write_at(level);
    }

    fn write_at(self, level: Level) {
        let Self { request, user, command, outcome, summary, took, cause, .. } = self;
        // An attempt names the user that it is for.
        let user = match command {
            Some(Command::Auth(auth)) => Some(&auth.user),
            _ => user,
        };
        let user = user.map(display);
        let quoted = |text| display(Escaped::new(text).quoted());
        let verb = command.map(|command| display(command.verb()));
        let [path, to] = command.map(Command::paths).unwrap_or_default();
        let [path, to] = [path, to].map(|path| path.map(|path| quoted(path.as_str())));
        // A code of the peer that this version does not know must not look like a field.
        let outcome = display(Escaped::new(outcome));
        let Summary { entries, skipped, omitted, length, size, checksum, .. } =
            summary.cloned().unwrap_or_default();
        let bytes = length.or(size);
        let crc64nvme: Option<DisplayValue<Checksum>> = checksum.map(display);
        let ms = display(Millis(took));
        let cause = cause.map(quoted);
        macro_rules! line {
            ($log:ident) => {
                $log!(
                    request, user, verb, path, to, outcome, bytes, crc64nvme, entries, skipped,
                    omitted, ms, cause
                )
            };
        }
        match level {
            Level::WARN => line!(warn),
            Level::INFO => line!(info),
            _ => line!(debug),
        }
    }
}

/// A time in milliseconds, with three decimals.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

/// Allows this many lines at once, and then one for each interval.
#[derive(Debug)]
struct RateLimit {
    burst: Duration,
    interval: Duration,
    /// The time that the lines so far would have taken at the regular rate.
    spent: Duration,
}

impl RateLimit {
    fn new((burst, interval): (u32, Duration)) -> Self {
        Self { burst: burst * interval, interval, spent: Duration::ZERO }
    }

    fn admits(&mut self, now: Duration) -> bool {
        let spent = self.spent.max(now) + self.interval;
        let admitted = spent <= now + self.burst;
        if admitted {
            self.spent = spent;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_an_even_pace() {
        let mut rate = RateLimit::new((3, Duration::from_secs(2)));
        let mut admitted =
            |second| (0..10).filter(|_| rate.admits(Duration::from_secs(second))).count();
        assert_eq!([0, 1, 2, 3, 7, 1000].map(&mut admitted), [3, 0, 1, 0, 2, 3]);
    }

    #[test]
    fn a_time_is_told_in_milliseconds() {
        for (micros, shown) in [(7, "0.007"), (1_234_567, "1234.567"), (60_000_000, "60000.000")] {
            assert_eq!(Millis(Duration::from_micros(micros)).to_string(), shown);
        }
    }
}
