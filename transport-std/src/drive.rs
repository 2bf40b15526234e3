//! The loop of `haul-transport`, where waiting is poll(2).

use std::net::TcpStream;
use std::task::{Context, Waker};

use haul_core::{Machine, Misuse};
use haul_store::Perform;
use haul_transport::{Awaited, Connection, DriveError, Files, Here, Next, Owner};
use rustix::event::{PollFd, PollFlags};

use crate::wait::{Wake, wait};

/// Steps until all is over or the owner breaks.
pub(crate) fn drive<M: Machine, P: Perform>(
    connection: &mut Connection<M, Here<P>, TcpStream>,
    owner: &mut impl Owner<M, Wake = Wake>,
) -> Result<(), DriveError> {
    loop {
        match step(connection, owner)? {
            Next::Step => {}
            Next::Wait(awaited) => {
                let socket = PollFd::new(&connection.socket, flags(awaited));
                let timeout = connection.timeout(owner);
                match owner.wake() {
                    Some(wake) => wait(&mut [socket, PollFd::new(wake, PollFlags::IN)], timeout),
                    None => wait(&mut [socket], timeout),
                }?;
            }
            Next::Return => return Ok(()),
        }
    }
}

/// Carries out one output, without waiting for the peer.
pub(crate) fn step<M: Machine, F: Files>(
    connection: &mut Connection<M, F, TcpStream>,
    owner: &mut impl Owner<M>,
) -> Result<Next, Misuse> {
    connection.step(&mut Context::from_waker(Waker::noop()), owner)
}

/// What poll(2) is to wait for.
pub(crate) fn flags(awaited: Awaited) -> PollFlags {
    match awaited {
        Awaited::Readable => PollFlags::IN,
        Awaited::Writable => PollFlags::OUT,
        // Never: files are here, and their work is done before a step returns.
        Awaited::Files => PollFlags::empty(),
    }
}
