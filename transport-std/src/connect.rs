//! Connecting, with a time limit and a way to give up.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use haul_transport::Clock;
use haul_transport::Wake as _;
use haul_transport::socket::{no_answer, prepare_connected, stream};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::wait::{Wake, wait};

/// A connected socket that is ready to be driven, or `None` if `wake` was raised before.
pub(crate) fn connect(
    address: SocketAddr,
    timeout: Duration,
    wake: Option<&Wake>,
) -> io::Result<Option<TcpStream>> {
    let socket = stream(address)?;
    prepare_connected(&socket)?;
    match socket.connect(&address.into()) {
        Ok(()) => return Ok(Some(socket.into())),
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    let clock = Clock::start();
    loop {
        if wake.is_some_and(Wake::is_raised) {
            return Ok(None);
        }
        let rest = clock.until(timeout);
        let mut fds = vec![PollFd::new(&socket, PollFlags::OUT)];
        fds.extend(wake.map(|wake| PollFd::new(wake, PollFlags::IN)));
        wait(&mut fds, Some(rest))?;
        if !fds[0].revents().is_empty() {
            return match socket.take_error()? {
                None => Ok(Some(socket.into())),
                Some(error) => Err(error),
            };
        }
        if rest.is_zero() {
            return Err(no_answer());
        }
    }
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
}
