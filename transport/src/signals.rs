//! Signals that stop a server, or cancel what a client does.

use std::io;
use std::sync::OnceLock;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};
use tracing::info;

use crate::{Cancel, ServerHandle, Wake};

/// The exit code of a program that was interrupted by SIGINT, as shells give it.
const INTERRUPTED: i32 = 130;
/// Of the thread that waits for signals, in bytes; it does next to nothing.
const STACK_SIZE: usize = 256 << 10;

/// Lets SIGTERM and SIGINT stop a server, for as long as the process lives: the first begins a [drain](ServerHandle::shutdown), the second
/// [ends all sessions](ServerHandle::force), a third ends the process, should a session hang in its storage.
///
/// # Errors
/// If the handlers or their thread cannot be set up.
pub fn drain_on_signals<W: Wake>(handle: ServerHandle<W>) -> io::Result<()> {
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

/// Lets SIGINT and SIGTERM cancel the request that runs, for as long as the process lives. If none runs, or the one that does was cancelled already, they
/// end the process with code 130.
///
/// # Errors
/// If the handlers or their thread cannot be set up.
pub fn cancel_on_signals<W: Wake>(cancel: Cancel<W>) -> io::Result<()> {
    on_signals(move |_| {
        if cancel.is_idle() || cancel.is_raised() {
            exit(INTERRUPTED);
        }
        cancel.cancel();
    })
}

/// The one cancel for all connections of a process, on signals from its first use on. They come one after another.
#[derive(Debug)]
pub struct CancelOnSignals<W>(OnceLock<Cancel<W>>);

impl<W: Wake> CancelOnSignals<W> {
    /// The cancel.
    ///
    /// # Errors
    /// If the handlers or their thread cannot be set up.
    pub fn get(&self) -> io::Result<Cancel<W>> {
        if let Some(cancel) = self.0.get() {
            return Ok(cancel.clone());
        }
        let cancel = Cancel::new()?;
        cancel_on_signals(cancel.clone())?;
        Ok(self.0.get_or_init(|| cancel).clone())
    }
}

impl<W> Default for CancelOnSignals<W> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

fn on_signals(mut told: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let thread = thread::Builder::new().name("haul-signals".into()).stack_size(STACK_SIZE);
    thread.spawn(move || signals.forever().for_each(&mut told))?;
    Ok(())
}
