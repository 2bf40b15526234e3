//! A connection whose steps are made on a thread that may block while it transfers, and locally while it waits.
//!
//! When a machine requests file work, its machine, files and stream move to a thread of the runtime that may block.
//! That thread makes steps until the peer keeps it waiting for long, or until the connection is recalled: to be
//! cancelled, to drain, or because the handler has more requests. So a transfer does not cross threads for each piece
//! of a file. Events of that time are sent to the handler, which stays local.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_core::Machine;
use haul_store::Perform;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::clock::Clock;
use crate::event::Event;
use crate::runtime::{Runtime, poll_flags};
use crate::socket::Socket;
use crate::step::{Connection, DriveError, Handler, Next};
use crate::stream::Interest;

/// How long such a thread waits for the peer: its next bytes usually come at once, and moving back and forth takes
/// longer than most waits.
const LINGER: Duration = Duration::from_millis(10);
/// The maximum number of threads of all connections that wait at once: a runtime has few.
const MAX_LINGERING: usize = 16;
/// How long it waits while there is an event that the handler has not seen: that may be the last one that it waits for.
const SHORT_LINGER: Duration = Duration::from_micros(200);
/// How long after an event the handler is woken. Most connections return sooner.
const WAKE_AFTER: Duration = Duration::from_micros(500);
/// How long steps continue after an event that the handler has not seen: it may want to cancel. Meanwhile a large file
/// moves by a few MiB, and small ones by the dozen.
const MAX_UNSEEN_TIME: Duration = Duration::from_micros(1500);
/// The maximum number of events that the handler has not seen. Each is as large as a name.
const MAX_UNSEEN: usize = 256;

/// A connection, local or offloaded, and its socket, which stays local.
pub(crate) struct Offloadable<R: Runtime, M: Machine, P> {
    place: Place<M, P>,
    /// Events from its time offloaded that the handler has not seen.
    events: VecDeque<M::Event>,
    clock: Clock,
    /// Dropped last, because the peer then sees that the connection is closed.
    socket: Socket<R>,
}

enum Place<M: Machine, P> {
    /// In its task. It is boxed because it moves: a future reserves space for each variable that a value moves through.
    Local(Box<Connection<M, P>>),
    /// On a thread that may block.
    Offloaded(Offloaded<M, P>),
    /// Lost with a panic or with the runtime.
    Gone,
}

struct Offloaded<M: Machine, P> {
    work: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
    handoff: Arc<Handoff<M, P>>,
}

/// The state that the task and its thread share.
struct Handoff<M: Machine, P> {
    /// The connection should return soon.
    recalled: AtomicBool,
    /// The thread waits for the peer, and has checked `recalled` since it started to.
    lingers: AtomicBool,
    /// Written to end that wait. Created for the first wait; contains `None` if no descriptor was free.
    wakeup: OnceLock<Option<OwnedFd>>,
    /// The number of `events`.
    unseen: AtomicUsize,
    left: Mutex<Left<M, P>>,
}

struct Left<M: Machine, P> {
    events: VecDeque<M::Event>,
    /// The waker of the task, which waits for events.
    waker: Option<Waker>,
    /// What to do with the files before they return.
    last: Option<fn(&mut P)>,
    returned: Option<thread::Result<Returned<M, P>>>,
}

/// A local connection and its socket.
type Local<'a, R, M, P> = (&'a mut Connection<M, P>, &'a mut Socket<R>);

type Returned<M, P> = (Box<Connection<M, P>>, Result<(), DriveError>);

impl<M: Machine, P> Handoff<M, P> {
    fn new(waker: Waker) -> Self {
        let (events, waker) = (VecDeque::new(), Some(waker));
        Self {
            recalled: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            wakeup: OnceLock::new(),
            unseen: AtomicUsize::new(0),
            left: Mutex::new(Left { events, waker, last: None, returned: None }),
        }
    }

    fn left<T>(&self, look: impl FnOnce(&mut Left<M, P>) -> T) -> T {
        look(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the connection to return soon.
    fn recall(&self) {
        self.recalled.store(true, Ordering::SeqCst);
        if self.lingers.load(Ordering::SeqCst)
            && let Some(Some(wakeup)) = self.wakeup.get()
        {
            let _ = rustix::io::write(wakeup, &1_u64.to_ne_bytes());
        }
    }

    /// Adds an event for the handler. Returns whether it is the only one.
    fn push(&self, event: M::Event) -> bool {
        self.left(|left| {
            left.events.push_back(event);
            self.unseen.store(left.events.len(), Ordering::SeqCst);
            left.events.len() == 1
        })
    }

    /// Wakes the handler, if it was not woken since it last took events.
    fn wake(&self) {
        if let Some(waker) = self.left(|left| left.waker.take()) {
            waker.wake();
        }
    }

    /// Takes all events; the waker of `cx` is woken when there are more.
    fn take_events(&self, cx: &Context<'_>) -> VecDeque<M::Event> {
        self.left(|left| {
            left.waker = Some(cx.waker().clone());
            self.unseen.store(0, Ordering::SeqCst);
            mem::take(&mut left.events)
        })
    }

    fn return_connection(&self, mut returned: thread::Result<Returned<M, P>>) {
        self.left(|left| {
            if let (Some(last), Ok((connection, _))) = (left.last.take(), &mut returned) {
                last(&mut connection.files);
            }
            left.returned = Some(returned);
        });
    }

    /// Waits briefly for the socket. Returns whether it is ready.
    fn wait_briefly(&self, socket: &OwnedFd, interest: Interest, limit: Duration) -> bool {
        static LINGERING: AtomicUsize = AtomicUsize::new(0);
        let make = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        let Some(wakeup) = self.wakeup.get_or_init(make) else { return false };
        let Ok(limit) = Timespec::try_from(limit) else { return false };
        self.lingers.store(true, Ordering::SeqCst);
        let others = LINGERING.fetch_add(1, Ordering::Relaxed);
        let ready = others < MAX_LINGERING && !self.recalled.load(Ordering::SeqCst) && {
            let mut fds =
                [PollFd::new(socket, poll_flags(interest)), PollFd::new(wakeup, PollFlags::IN)];
            let polled = poll(&mut fds, Some(&limit));
            polled.is_ok() && !fds[0].revents().is_empty()
        };
        LINGERING.fetch_sub(1, Ordering::Relaxed);
        self.lingers.store(false, Ordering::SeqCst);
        ready
    }
}

impl<R, M, P> Offloadable<R, M, P>
where
    R: Runtime,
    M: Machine<Event: Clone + Send> + Send + 'static,
    P: Perform + Send + 'static,
{
    /// A local connection.
    pub(crate) fn new(connection: Connection<M, P>, socket: Socket<R>) -> Self {
        let clock = connection.clock;
        Self { place: Place::Local(Box::new(connection)), events: VecDeque::new(), clock, socket }
    }

    /// The clock of the machine.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns the connection and its socket, once it is local. Events of its time offloaded are among the
    /// [events](Self::event) in any case.
    pub(crate) fn poll_local(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Local<'_, R, M, P>, DriveError>> {
        if let Place::Offloaded(offloaded) = &mut self.place {
            let worked = offloaded.work.as_mut().poll(cx);
            self.events.append(&mut offloaded.handoff.take_events(cx));
            let worked = ready!(worked);
            let returned = offloaded.handoff.left(|left| left.returned.take());
            // Set this before anything panics, because the offloaded connection is gone then.
            self.place = Place::Gone;
            match (worked, returned) {
                (Ok(()), Some(Ok((connection, outcome)))) => {
                    self.place = Place::Local(connection);
                    outcome?;
                }
                (_, Some(Err(panic))) => resume_unwind(panic),
                (Err(error), _) => return Poll::Ready(Err(DriveError::Ended(error))),
                (Ok(()), None) => {}
            }
        }
        Poll::Ready(match &mut self.place {
            Place::Local(connection) => Ok((connection, &mut self.socket)),
            Place::Offloaded(_) | Place::Gone => Err(gone()),
        })
    }

    /// Returns the next event from its time offloaded, in order.
    pub(crate) fn event(&mut self) -> Option<M::Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // An idle connection should use no memory for events.
            self.events = VecDeque::new();
        }
        event
    }

    /// Asks it to return soon, if it is offloaded.
    pub(crate) fn recall(&self) {
        if let Place::Offloaded(offloaded) = &self.place {
            offloaded.handoff.recall();
        }
    }

    /// Moves the connection to a thread that may block.
    pub(crate) fn offload(&mut self, cx: &Context<'_>) {
        self.place = match mem::replace(&mut self.place, Place::Gone) {
            Place::Local(connection) => {
                self.socket.unregister();
                let handoff = Arc::new(Handoff::new(cx.waker().clone()));
                let (theirs, socket) = (Arc::clone(&handoff), Arc::clone(self.socket.descriptor()));
                let work = Box::pin(R::unblock(move || {
                    let worked =
                        catch_unwind(AssertUnwindSafe(|| work(connection, &theirs, &socket)));
                    drop(socket);
                    theirs.return_connection(worked);
                }));
                Place::Offloaded(Offloaded { work, handoff })
            }
            place => place,
        };
    }

    /// Calls `last` with the files, wherever they are, as soon as no work uses them.
    pub(crate) fn with_files(&mut self, last: fn(&mut P)) {
        match &mut self.place {
            Place::Local(connection) => last(&mut connection.files),
            Place::Offloaded(Offloaded { handoff, .. }) => {
                handoff.recall();
                handoff.left(|left| match &mut left.returned {
                    Some(Ok((connection, _))) => last(&mut connection.files),
                    _ => left.last = Some(last),
                });
            }
            Place::Gone => {}
        }
    }

    /// Waits for running work and discards open files, where that may block. Drop the result last, because the peer
    /// then sees that the connection is closed.
    pub(crate) async fn close(mut self) -> impl Sized {
        self.recall();
        let back = poll_fn(|cx| self.poll_local(cx).map(drop));
        // A panic concerns only this session.
        let _ = AssertUnwindSafe(back).catch_unwind().await;
        let Self { place, socket, .. } = self;
        let Place::Local(connection) = place else {
            return (None, socket);
        };
        let Connection { files, stream, .. } = *connection;
        if R::TASKS_MAY_BLOCK {
            drop(files);
        } else {
            // If the runtime is ending, it has dropped the files with the work.
            let _ = R::unblock(move || drop(files)).await;
        }
        (Some(stream), socket)
    }
}

fn gone() -> DriveError {
    DriveError::Ended(io::Error::other("the connection is gone"))
}

/// Makes steps on a thread that may block.
fn work<M: Machine<Event: Clone>, P: Perform>(
    mut connection: Box<Connection<M, P>>,
    handoff: &Handoff<M, P>,
    socket: &OwnedFd,
) -> Returned<M, P> {
    let zero = Duration::ZERO;
    let mut handler =
        OffloadedHandler { handoff, is_first: true, now: zero, unseen_since: zero, woken: false };
    let outcome = loop {
        match connection.step(&mut handler, true) {
            Ok(Next::Step) => {}
            Ok(Next::Wait(interest)) => {
                let deadline = connection.machine.deadline();
                let limit = deadline.map(|deadline| connection.clock.until(deadline));
                let most = match handoff.unseen.load(Ordering::SeqCst) {
                    0 => LINGER,
                    _ => SHORT_LINGER,
                };
                let limit = limit.map_or(most, |limit| limit.min(most));
                if !handoff.wait_briefly(socket, interest, limit) {
                    break Ok(());
                }
            }
            Ok(Next::Offload | Next::Return) => break Ok(()),
            Err(misuse) => break Err(misuse.into()),
        }
    };
    (connection, outcome)
}

/// Replaces the handler, which stays local.
struct OffloadedHandler<'a, M: Machine, P> {
    handoff: &'a Handoff<M, P>,
    /// Whether no step was made yet. The first one is always made, so that each move does some work.
    is_first: bool,
    now: Duration,
    /// When the oldest event was added that the handler has not seen.
    unseen_since: Duration,
    /// Whether the handler was woken since then.
    woken: bool,
}

impl<M: Machine<Event: Clone>, P> Handler<M> for OffloadedHandler<'_, M, P> {
    fn before_step(&mut self, _: &mut M, now: Duration) -> ControlFlow<()> {
        self.now = now;
        let late = match self.handoff.unseen.load(Ordering::SeqCst) {
            0 => false,
            count => {
                if !self.woken && now >= self.unseen_since + WAKE_AFTER {
                    self.woken = true;
                    self.handoff.wake();
                }
                count >= MAX_UNSEEN || now >= self.unseen_since + MAX_UNSEEN_TIME
            }
        };
        let recalled = late || self.handoff.recalled.load(Ordering::SeqCst);
        if recalled && !mem::take(&mut self.is_first) {
            return ControlFlow::Break(());
        }
        self.is_first = false;
        ControlFlow::Continue(())
    }

    fn wake(&self) -> Option<&Event> {
        None
    }

    fn event(&mut self, event: &M::Event) -> ControlFlow<()> {
        if self.handoff.push(event.clone()) {
            (self.unseen_since, self.woken) = (self.now, false);
        }
        ControlFlow::Continue(())
    }
}
