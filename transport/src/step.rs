//! One step of a connection: carries out an output of the machine. It serves client and server on any thread, decides
//! nothing, and never waits for the peer.

use std::io::{self, ErrorKind, IoSlice};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::time::Duration;

use haul_core::{Machine, Misuse, Output, StoreError, StoreErrorKind, Wait};
use haul_store::Perform;
use tracing::debug;

use crate::clock::Clock;
use crate::event::Event;
use crate::layer::PeerStream;
use crate::stream::{Interest, StreamError};

/// The maximum number of slices to write in one call.
const MAX_SLICES: usize = 64;
/// Less payload than this, in bytes, goes through the machine, which costs one copy.
const WORTH_PASSING: usize = 16 << 10;

/// A machine with its files, stream and clock.
#[derive(Debug)]
pub(crate) struct Connection<M, P> {
    /// Makes the decisions.
    pub(crate) machine: M,
    /// Carries out effects.
    pub(crate) files: P,
    /// Connects to the peer.
    pub(crate) stream: PeerStream,
    /// The clock of the machine.
    pub(crate) clock: Clock,
}

/// The caller of a connection: a session or a client's call. A break ends the drive.
pub(crate) trait Handler<M: Machine> {
    /// Called before each step of a local connection, and at once when [`wake`](Self::wake) is raised.
    fn before_step(&mut self, machine: &mut M, now: Duration) -> ControlFlow<()>;

    /// How long the peer's host may be silent from now on, if that changes.
    fn silence_limit(&mut self) -> Option<Duration> {
        None
    }

    /// When to make another step even if nothing happens.
    fn next_check(&self) -> Option<Duration> {
        None
    }

    /// The event that ends a wait for the peer; `None` once the handler has seen it.
    fn wake(&self) -> Option<&Event>;

    /// Gets an event of the machine.
    fn event(&mut self, event: &M::Event) -> ControlFlow<()>;

    /// Whether it needs the machine, which is offloaded.
    fn wants_machine(&self) -> bool {
        false
    }
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Make another step.
    Step,
    /// Make another step once the socket is ready for this or the machine's deadline has come.
    Wait(Interest),
    /// Make the same step where it may block.
    Offload,
    /// Stop: the session is over, or the handler broke.
    Return,
}

/// Why a connection cannot be driven any further. The peer never causes it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    /// The loop reported something that was not requested.
    #[error("this is a bug: {0}")]
    Misuse(#[from] Misuse),
    /// The system cannot wait.
    #[error("cannot wait for the socket: {0}")]
    Wait(#[from] io::Error),
    /// The runtime accepts no more work.
    #[error("the runtime is ending: {0}")]
    Ended(io::Error),
}

impl From<DriveError> for haul_core::client::Failure {
    fn from(error: DriveError) -> Self {
        Self::Local(StoreError::new(StoreErrorKind::Io, error.to_string()))
    }
}

impl<M: Machine, P: Perform> Connection<M, P> {
    /// Carries out one output, without waiting for the peer. It carries out an effect only if `may_block`.
    pub(crate) fn step(
        &mut self,
        handler: &mut impl Handler<M>,
        may_block: bool,
    ) -> Result<Next, Misuse> {
        let Self { machine, files, stream, clock } = self;
        let now = clock.now();
        if handler.before_step(machine, now).is_break() {
            return Ok(Next::Return);
        }
        match machine.poll(now) {
            Output::Read(wait) => return self.read(wait),
            Output::Write(segments) => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(segments.iter()) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                }
                let outcome = stream.write(&slices[..count]);
                return self.report_sent(outcome);
            }
            Output::Receive { handle, length } => {
                let passing = files.pass_through(handle).filter(|_| length >= WORTH_PASSING);
                let moved = passing
                    .zip(stream.plain())
                    .map(|(passing, tcp)| passing.receive(tcp.as_fd(), length));
                match moved {
                    Some(Ok(count @ 1..)) => machine.passed_through(count)?,
                    // A read reports every other result too, including the end and "not ready", and can wait.
                    None | Some(Ok(0) | Err(_)) => return self.read(Wait::UntilDeadline),
                }
            }
            Output::Send { handle, length } => match files.pass_through(handle).zip(stream.plain())
            {
                Some((passing, tcp)) => {
                    let outcome =
                        passing.send(tcp.as_fd(), length).map_err(|error| match error.kind() {
                            ErrorKind::WouldBlock => StreamError::WouldBlock(Interest::Writable),
                            _ => StreamError::Io(error),
                        });
                    return self.report_sent(outcome);
                }
                // The announced bytes are lost, so the connection must end.
                None => machine.write_failed()?,
            },
            Output::Perform(_) if !may_block => return Ok(Next::Offload),
            Output::Perform(effect) => {
                let outcome = files.perform(effect);
                machine.performed(outcome)?;
            }
            Output::Event(event) => {
                let flow = handler.event(event);
                machine.acknowledge()?;
                if flow.is_break() {
                    return Ok(Next::Return);
                }
            }
            Output::CloseWrite => match stream.close_write() {
                Err(StreamError::WouldBlock(interest)) => return Ok(Next::Wait(interest)),
                closed => {
                    if let Err(error) = closed {
                        debug!(%error, "cannot close the sending half of the socket");
                    }
                    machine.write_closed()?;
                }
            },
            Output::Closed => return Ok(Next::Return),
        }
        Ok(Next::Step)
    }

    fn read(&mut self, wait: Wait) -> Result<Next, Misuse> {
        let Self { machine, stream, .. } = self;
        match stream.read(|| machine.read_space()) {
            Ok(count) => machine.received(count)?,
            Err(StreamError::WouldBlock(interest)) => match wait {
                Wait::UntilDeadline => return Ok(Next::Wait(interest)),
                Wait::Never => machine.would_block()?,
            },
            Err(StreamError::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(StreamError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                // What came whole is answered, as if the peer had ended properly, and the rest is void.
                debug!(%error, "the connection was cut");
                machine.received(0)?;
            }
            Err(StreamError::Io(error)) => {
                debug!(%error, "cannot read from the socket");
                machine.read_failed()?;
            }
        }
        Ok(Next::Step)
    }

    fn report_sent(&mut self, outcome: Result<usize, StreamError>) -> Result<Next, Misuse> {
        let Self { machine, stream, .. } = self;
        match outcome {
            Ok(count) => machine.sent(count)?,
            Err(StreamError::WouldBlock(interest)) => return Ok(Next::Wait(interest)),
            Err(StreamError::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(StreamError::Io(error)) => {
                debug!(%error, "cannot write to the socket");
                // A socket that survives an error, such as ENOBUFS, would leave the peer waiting for the rest, and a
                // client for the peer's last reply.
                let _ = stream.close_write();
                machine.write_failed()?;
            }
        }
        Ok(Next::Step)
    }

    /// When to make another step even if nothing arrives.
    pub(crate) fn deadline(&self, handler: &impl Handler<M>) -> Option<Duration> {
        self.machine.deadline().into_iter().chain(handler.next_check()).min()
    }
}
