//! Signals that stop a server.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tracing::info;

use super::ServerHandle;

/// Lets SIGTERM and SIGINT stop a server, for as long as the process lives: the first begins a [drain](ServerHandle::shutdown), the second
/// [ends all sessions](ServerHandle::force), a third ends the process, should a session hang in its storage.
///
/// # Errors
/// If the handlers or their thread cannot be set up.
pub fn drain_on_signals(handle: ServerHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("haul-signals".into()).stack_size(crate::STACK_SIZE).spawn(
        move || {
            for (count, signal) in signals.forever().enumerate() {
                match count {
                    0 => {
                        info!("draining; a second signal ends all sessions");
                        handle.shutdown();
                    }
                    1 => {
                        info!("ending all sessions");
                        handle.force();
                    }
                    _ => {
                        let _ = emulate_default_handler(signal);
                    }
                }
            }
        },
    )?;
    Ok(())
}
