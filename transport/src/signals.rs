//! Signals that stop a server, or cancel requests of a client.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};
use tracing::info;

use crate::cancel::Cancel;
use crate::server::ServerHandle;

/// A program that a signal ended has this plus the signal's number as its exit code, as in shells.
const ENDED_BY_SIGNAL: i32 = 128;
/// How long a cancelled request may take to end before the process exits without it. Its file may be on a hanging disk.
const CANCEL_LIMIT: Duration = Duration::from_secs(4);
/// How long the callback before the exit may take. Nobody may read its output.
const BEFORE_EXIT_LIMIT: Duration = Duration::from_millis(500);
/// The stack size in bytes of a thread that waits for signals or for a request to end. It does very little.
const STACK_SIZE: usize = 256 << 10;

/// Lets SIGTERM, SIGINT, SIGHUP and SIGQUIT stop a server until the process ends: the first signal starts a
/// [drain](ServerHandle::shutdown), the second [ends all sessions](ServerHandle::force), a third ends the process.
/// SIGHUP and SIGQUIT stay ignored if the process started with them ignored, as under `nohup`.
///
/// # Errors
/// If the handlers or their thread cannot be set up.
pub fn drain_on_signals(handle: ServerHandle) -> io::Result<()> {
    let mut count = 0;
    on_signals(move |signal| {
        count += 1;
        match count {
            1 => {
                info!("draining; a second signal ends all sessions");
                handle.shutdown();
            }
            2 => {
                info!("ending all sessions");
                handle.force();
            }
            _ => {
                let _ = emulate_default_handler(signal);
            }
        }
    })
}

/// Lets SIGINT, SIGTERM, SIGHUP and SIGQUIT cancel the running request until the process ends. A signal ends the
/// process, with 128 + the signal's number as its exit code, if no request runs, if the request was cancelled before,
/// or if it has not ended after four seconds: its file may be on a hanging disk. SIGHUP and SIGQUIT stay ignored if the
/// process started with them ignored, as under `nohup`.
///
/// # Errors
/// If the handlers or their thread cannot be set up.
pub fn cancel_on_signals(cancel: Cancel) -> io::Result<()> {
    cancel_with(cancel, |_| {}, Arc::new(|| {}))
}

fn cancel_with(
    cancel: Cancel,
    mut on_signal: impl FnMut(i32) + Send + 'static,
    before_exit: BeforeExit,
) -> io::Result<()> {
    let count = Arc::new(AtomicUsize::new(0));
    on_signals(move |signal| {
        on_signal(signal);
        if cancel.is_idle() || cancel.is_raised() {
            end(&before_exit, signal);
        }
        cancel.cancel();
        let this = count.fetch_add(1, Ordering::SeqCst) + 1;
        let (count, cancel) = (Arc::clone(&count), cancel.clone());
        let before_exit = Arc::clone(&before_exit);
        let watch = move || {
            thread::sleep(CANCEL_LIMIT);
            if cancel.is_raised() && !cancel.is_idle() && count.load(Ordering::SeqCst) == this {
                end(&before_exit, signal);
            }
        };
        // Without a thread a second signal is needed.
        let _ = thread::Builder::new().stack_size(STACK_SIZE).spawn(watch);
    })
}

/// Called before a signal ends the process.
type BeforeExit = Arc<dyn Fn() + Send + Sync>;

/// Ends the process. It does not wait for output that nobody reads.
fn end(before_exit: &BeforeExit, signal: i32) {
    let (said, heard) = mpsc::channel();
    let before_exit = Arc::clone(before_exit);
    let say = move || {
        before_exit();
        let _ = said.send(());
    };
    if thread::Builder::new().stack_size(STACK_SIZE).spawn(say).is_ok() {
        let _ = heard.recv_timeout(BEFORE_EXIT_LIMIT);
    }
    exit(ENDED_BY_SIGNAL + signal);
}

/// One cancel for all connections of a process, raised by signals from its first use on. Requests run one after
/// another.
#[derive(Debug)]
pub struct CancelOnSignals {
    cancel: OnceLock<Cancel>,
    signal: Arc<AtomicI32>,
}

impl CancelOnSignals {
    /// The cancel.
    ///
    /// # Errors
    /// If the handlers or their thread cannot be set up.
    pub fn get(&self) -> io::Result<Cancel> {
        self.get_with(|| {})
    }

    /// As [`get`](Self::get). On the first use it registers `before_exit`, which is called before a signal ends the
    /// process without ending the running request.
    ///
    /// # Errors
    /// If the handlers or their thread cannot be set up.
    pub fn get_with(&self, before_exit: impl Fn() + Send + Sync + 'static) -> io::Result<Cancel> {
        if let Some(cancel) = self.cancel.get() {
            return Ok(cancel.clone());
        }
        let cancel = Cancel::new();
        let signal = Arc::clone(&self.signal);
        let on_signal = move |number| signal.store(number, Ordering::SeqCst);
        cancel_with(cancel.clone(), on_signal, Arc::new(before_exit))?;
        Ok(self.cancel.get_or_init(|| cancel).clone())
    }

    /// The number of the last signal. A program that ends because of it uses 128 plus this number as its exit code.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }
}

impl Default for CancelOnSignals {
    fn default() -> Self {
        Self { cancel: OnceLock::new(), signal: Arc::default() }
    }
}

fn on_signals(mut on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let ignored = ignored_signals();
    let heard = [SIGHUP, SIGQUIT].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new([SIGTERM, SIGINT].into_iter().chain(heard))?;
    let thread = thread::Builder::new().name("haul-signals".into()).stack_size(STACK_SIZE);
    thread.spawn(move || signals.forever().for_each(&mut on_signal))?;
    Ok(())
}

/// The signals that this process ignores, one bit each starting with signal 1; none if the system does not report them.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
