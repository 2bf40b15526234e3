//! The loop that carries out what a machine asks for. It serves client and server, and decides nothing.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::time::Duration;

use haul_core::{Machine, Misuse, Output, Segments, StoreError, StoreErrorKind, Wait};
use haul_store::Perform;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tracing::debug;

use crate::wait::{Clock, Wake, wait};

/// Pieces that go to the socket in one call.
const MAX_SLICES: usize = 16;

/// A machine with all that it works on.
pub(crate) struct Connection<M, P> {
    pub(crate) machine: M,
    pub(crate) files: P,
    /// Nonblocking.
    pub(crate) socket: TcpStream,
    pub(crate) clock: Clock,
}

/// On whose behalf a connection is driven. What breaks ends [`Connection::drive`].
pub(crate) trait Owner<M: Machine> {
    /// Called before each step, and at once when [`wake`](Self::wake) is raised.
    fn step_in(&mut self, machine: &mut M, now: Duration) -> ControlFlow<()>;

    /// What ends a wait for the peer; `None` once the owner knows that it is raised.
    fn wake(&self) -> Option<&Wake>;

    /// Something happened.
    fn event(&mut self, event: &M::Event) -> ControlFlow<()>;
}

/// What follows a step.
pub(crate) enum Next {
    /// Another one.
    Step,
    /// Another one, once the socket is ready for this or the machine's deadline has come.
    Wait(PollFlags),
    /// Nothing: all is over, or the owner wants no more.
    Return,
}

/// Why a connection cannot be driven on; never the peer's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    #[error("this is a bug: {0}")]
    Misuse(#[from] Misuse),
    #[error("cannot wait for the socket: {0}")]
    Wait(#[from] io::Error),
}

impl<M: Machine, P: Perform> Connection<M, P> {
    /// Steps until all is over or the owner breaks.
    pub(crate) fn drive(&mut self, owner: &mut impl Owner<M>) -> Result<(), DriveError> {
        loop {
            match self.step(owner)? {
                Next::Step => {}
                Next::Wait(flags) => self.wait(flags, owner.wake())?,
                Next::Return => return Ok(()),
            }
        }
    }

    /// Carries out one output, without waiting for the peer.
    pub(crate) fn step(&mut self, owner: &mut impl Owner<M>) -> Result<Next, Misuse> {
        let Self { machine, files, socket, clock } = self;
        let now = clock.now();
        if owner.step_in(machine, now).is_break() {
            return Ok(Next::Return);
        }
        match machine.poll(now) {
            Output::Read(wait) => match (&*socket).read(machine.read_space()) {
                Ok(count) => machine.received(count)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match wait {
                    Wait::UntilDeadline => return Ok(Next::Wait(PollFlags::IN)),
                    Wait::Never => machine.would_block()?,
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    debug!(%error, "cannot read from the socket");
                    machine.read_failed()?;
                }
            },
            Output::Write(segments) => match send(socket, segments) {
                Ok(count) => machine.sent(count)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Next::Wait(PollFlags::OUT));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    debug!(%error, "cannot write to the socket");
                    machine.write_failed()?;
                }
            },
            // Pass-through is off in every configuration made here, and no store of ours holds bytes.
            Output::Receive { .. } | Output::SendHeld { .. } => {
                machine.performed(Err(StoreError::new(
                    StoreErrorKind::Io,
                    "this transport cannot move payload past the machine",
                )))?;
            }
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                machine.performed(outcome)?;
            }
            Output::Event(event) => {
                let flow = owner.event(event);
                machine.acknowledge()?;
                if flow.is_break() {
                    return Ok(Next::Return);
                }
            }
            Output::CloseWrite => {
                if let Err(error) = socket.shutdown(Shutdown::Write) {
                    debug!(%error, "cannot close the sending half of the socket");
                }
                machine.write_closed()?;
            }
            Output::Closed => return Ok(Next::Return),
        }
        Ok(Next::Step)
    }

    /// Gives up all but the socket: what is open in `files` is discarded.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// The time until the machine's deadline.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.machine.deadline().map(|deadline| self.clock.until(deadline))
    }

    fn wait(&self, flags: PollFlags, wake: Option<&Wake>) -> io::Result<()> {
        let socket = PollFd::new(&self.socket, flags);
        match wake {
            Some(wake) => wait(&mut [socket, PollFd::new(wake, PollFlags::IN)], self.timeout()),
            None => wait(&mut [socket], self.timeout()),
        }
    }
}

fn send(socket: &TcpStream, segments: Segments<'_>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(segments.iter()) {
        *slice = IoSlice::new(piece);
        count += 1;
    }
    // Unlike `write_vectored` this raises no SIGPIPE, whatever the application does with that signal.
    let mut control = SendAncillaryBuffer::default();
    Ok(sendmsg(socket, &slices[..count], &mut control, SendFlags::NOSIGNAL)?)
}
