//! One step of a connection: carries out what the machine asks for. It serves client and server wherever they run,
//! decides nothing, and never waits for the peer.

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

/// Slices that go to the stream in one call.
const MAX_SLICES: usize = 64;
/// Payload that is less than this, in bytes, comes through the machine, which costs it one copy.
const WORTH_PASSING: usize = 16 << 10;

/// A machine with all that it works on.
#[derive(Debug)]
pub(crate) struct Connection<M, P> {
    /// What decides.
    pub(crate) machine: M,
    /// What carries out effects.
    pub(crate) files: P,
    /// What leads to the peer.
    pub(crate) stream: PeerStream,
    /// The clock that the machine is polled by.
    pub(crate) clock: Clock,
}

/// On whose behalf a connection is driven. What breaks ends the drive.
pub(crate) trait Handler<M: Machine> {
    /// Called before each step where the connection is local, and at once when [`wake`](Self::wake) is raised.
    fn before_step(&mut self, machine: &mut M, now: Duration) -> ControlFlow<()>;

    /// How long the peer's host may be silent from now on, if that is to change.
    fn silence_limit(&mut self) -> Option<Duration> {
        None
    }

    /// When to make another step though nothing happens.
    fn next_check(&self) -> Option<Duration> {
        None
    }

    /// What ends a wait for the peer; `None` once the handler knows that it is raised.
    fn wake(&self) -> Option<&Event>;

    /// Something happened.
    fn event(&mut self, event: &M::Event) -> ControlFlow<()>;

    /// Whether it has something to tell the machine, which is offloaded.
    fn wants_machine(&self) -> bool {
        false
    }
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another one.
    Step,
    /// Another one, once the socket is ready for this or the machine's deadline has come.
    Wait(Interest),
    /// The same one, where work may block.
    Offload,
    /// Nothing: all is over, or the handler wants no more.
    Return,
}

/// Why a connection cannot be driven on; never the peer's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    /// The drive reported what was not asked for.
    #[error("this is a bug: {0}")]
    Misuse(#[from] Misuse),
    /// The system cannot wait.
    #[error("cannot wait for the socket: {0}")]
    Wait(#[from] io::Error),
    /// The runtime takes no more work.
    #[error("the runtime is ending: {0}")]
    Ended(io::Error),
}

impl From<DriveError> for haul_core::client::Failure {
    fn from(error: DriveError) -> Self {
        Self::Local(StoreError::new(StoreErrorKind::Io, error.to_string()))
    }
}

impl<M: Machine, P: Perform> Connection<M, P> {
    /// Carries out one output, without waiting for the peer. An effect is carried out only where `may_block`.
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
                    // Whatever it is, the end and not ready among it, a read tells it as well, and knows how to wait.
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
                // The bytes that were announced are gone: only the end of the connection can say so.
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
                // A socket that lives on, as after ENOBUFS, would leave the peer waiting for the rest, and a client for
                // the peer's last word.
                let _ = stream.close_write();
                machine.write_failed()?;
            }
        }
        Ok(Next::Step)
    }

    /// When to make another step though nothing has come.
    pub(crate) fn deadline(&self, handler: &impl Handler<M>) -> Option<Duration> {
        self.machine.deadline().into_iter().chain(handler.next_check()).min()
    }
}
