//! The loop that carries out what a machine asks for. It serves client and server, blocking and async, and decides nothing.

use std::io::{self, ErrorKind, IoSlice};
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use haul_core::{Done, Effect, Handle, Machine, Misuse, Output, StoreError, StoreErrorKind, Wait};
use haul_store::{PassThrough, Perform};
use tracing::debug;

use crate::socket::bear_silence_for;
use crate::{Clock, Socket};

/// Pieces that go to the socket in one call.
const MAX_SLICES: usize = 64;
/// Payload that is less than this comes through the machine, which costs it one copy.
const WORTH_PASSING: usize = 16 << 10;

/// A machine with all that it works on.
#[derive(Debug)]
pub struct Connection<M, F, S> {
    /// What decides.
    pub machine: M,
    /// What carries out effects.
    pub files: F,
    /// What leads to the peer.
    pub socket: S,
    /// The clock that the machine is polled by.
    pub clock: Clock,
}

/// Carries out effects, here or elsewhere.
pub trait Files {
    /// What comes of the effect. While it is pending it is asked for the same effect again, and the waker is told when there is news.
    fn poll_perform(
        &mut self,
        cx: &mut Context<'_>,
        effect: &Effect,
    ) -> Poll<Result<Done, StoreError>>;

    /// What carries payload of the file `handle` past the machine, while no effect is pending; `None` if that goes through the machine.
    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough>;
}

/// Sends what is held. A socket that takes nothing now is written to, for only that tells the waker when it does.
fn send_held(
    cx: &mut Context<'_>,
    held: &mut dyn PassThrough,
    socket: &mut impl Socket,
    length: usize,
) -> Poll<io::Result<usize>> {
    match held.send(socket.as_fd(), length) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        outcome => return Poll::Ready(outcome),
    }
    let count = ready!(socket.poll_write(cx, &[IoSlice::new(held.front()?)]))?;
    held.front_is_sent(count);
    Poll::Ready(Ok(count))
}

/// Carries out effects on the calling thread, which they may block.
#[derive(Debug, Default)]
pub struct Here<P>(pub P);

impl<P: Perform> Files for Here<P> {
    fn poll_perform(
        &mut self,
        _: &mut Context<'_>,
        effect: &Effect,
    ) -> Poll<Result<Done, StoreError>> {
        Poll::Ready(self.0.perform(effect))
    }

    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough> {
        self.0.pass_through(handle)
    }
}

/// On whose behalf a connection is driven. What breaks ends the loop.
pub trait Owner<M: Machine> {
    /// What ends a wait.
    type Wake;

    /// Called before each step, and at once when [`wake`](Self::wake) is raised.
    fn step_in(&mut self, machine: &mut M, now: Duration) -> ControlFlow<()>;

    /// How long the peer's host may be silent from now on, if that is to change.
    fn bears_silence_for(&mut self) -> Option<Duration> {
        None
    }

    /// When to step in though nothing happens.
    fn looks_again(&self) -> Option<Duration> {
        None
    }

    /// What ends a wait for the peer; `None` once the owner knows that it is raised.
    fn wake(&self) -> Option<&Self::Wake>;

    /// Something happened.
    fn event(&mut self, event: &M::Event) -> ControlFlow<()>;
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one.
    Step,
    /// Another one, once there is this or the machine's deadline has come.
    Wait(Awaited),
    /// Nothing: all is over, or the owner wants no more.
    Return,
}

/// What a step could not do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Something to read.
    Readable,
    /// Room to write.
    Writable,
    /// The outcome of file work that is done elsewhere.
    Files,
}

/// Why a connection cannot be driven on; never the peer's doing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The loop reported what was not asked for.
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

impl<M: Machine, F: Files, S: Socket> Connection<M, F, S> {
    /// Carries out one output, without waiting. What is not ready tells the waker of `cx` when it is.
    pub fn step(
        &mut self,
        cx: &mut Context<'_>,
        owner: &mut impl Owner<M>,
    ) -> Result<Next, Misuse> {
        let Self { machine, files, socket, clock } = self;
        let now = clock.now();
        if owner.step_in(machine, now).is_break() {
            return Ok(Next::Return);
        }
        if let Some(limit) = owner.bears_silence_for()
            && let Err(error) = bear_silence_for(&*socket, limit)
        {
            debug!(%error, "cannot say how long the peer's host may be silent");
        }
        match machine.poll(now) {
            Output::Read(wait) => return self.read(cx, wait),
            Output::Write(segments) => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(segments.iter()) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                }
                match socket.poll_write(cx, &slices[..count]) {
                    Poll::Ready(outcome) => Self::report_sent(machine, socket, cx, outcome)?,
                    Poll::Pending => return Ok(Next::Wait(Awaited::Writable)),
                }
            }
            Output::Receive { handle, length } => {
                let held = files.pass_through(handle).filter(|_| length >= WORTH_PASSING);
                let moved = held.map(|held| held.receive(socket.as_fd(), length));
                match moved {
                    Some(Ok(count @ 1..)) => machine.held(count)?,
                    // Whatever it is, the end and not ready among it, a read tells it as well, and knows how to wait.
                    None | Some(Ok(0) | Err(_)) => return self.read(cx, Wait::UntilDeadline),
                }
            }
            Output::SendHeld { handle, length } => match files.pass_through(handle) {
                Some(held) => match send_held(cx, held, socket, length) {
                    Poll::Ready(outcome) => Self::report_sent(machine, socket, cx, outcome)?,
                    Poll::Pending => return Ok(Next::Wait(Awaited::Writable)),
                },
                // The bytes that were announced are gone: only the end of the connection can say so.
                None => machine.write_failed()?,
            },
            Output::Perform(effect) => match files.poll_perform(cx, effect) {
                Poll::Ready(outcome) => machine.performed(outcome)?,
                Poll::Pending => return Ok(Next::Wait(Awaited::Files)),
            },
            Output::Event(event) => {
                let flow = owner.event(event);
                machine.acknowledge()?;
                if flow.is_break() {
                    return Ok(Next::Return);
                }
            }
            Output::CloseWrite => match socket.poll_close_write(cx) {
                Poll::Ready(closed) => {
                    if let Err(error) = closed {
                        debug!(%error, "cannot close the sending half of the socket");
                    }
                    machine.write_closed()?;
                }
                Poll::Pending => return Ok(Next::Wait(Awaited::Writable)),
            },
            Output::Closed => return Ok(Next::Return),
        }
        Ok(Next::Step)
    }

    fn read(&mut self, cx: &mut Context<'_>, wait: Wait) -> Result<Next, Misuse> {
        let Self { machine, socket, .. } = self;
        match socket.poll_read(cx, || machine.read_space()) {
            Poll::Ready(Ok(count)) => machine.received(count)?,
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Poll::Ready(Err(error)) => {
                debug!(%error, "cannot read from the socket");
                machine.read_failed()?;
            }
            Poll::Pending => match wait {
                Wait::UntilDeadline => return Ok(Next::Wait(Awaited::Readable)),
                Wait::Never => machine.would_block()?,
            },
        }
        Ok(Next::Step)
    }

    fn report_sent(
        machine: &mut M,
        socket: &mut S,
        cx: &mut Context<'_>,
        outcome: io::Result<usize>,
    ) -> Result<(), Misuse> {
        match outcome {
            Ok(count) => machine.sent(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => {
                debug!(%error, "cannot write to the socket");
                // A socket that lives on, as after ENOBUFS, would leave the peer waiting for the rest, and a client for the peer's last word.
                let _ = socket.poll_close_write(cx);
                machine.write_failed()
            }
        }
    }

    /// When to make another step though nothing has come.
    pub fn deadline(&self, owner: &impl Owner<M>) -> Option<Duration> {
        self.machine.deadline().into_iter().chain(owner.looks_again()).min()
    }

    /// The time until then.
    pub fn timeout(&self, owner: &impl Owner<M>) -> Option<Duration> {
        self.deadline(owner).map(|deadline| self.clock.until(deadline))
    }
}
