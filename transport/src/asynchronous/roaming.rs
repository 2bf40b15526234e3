//! A connection that goes where work may block, and comes back to wait.
//!
//! As soon as a machine asks for file work, machine and files go to a thread of the runtime that may block, and steps are made there as a blocking transport makes them: until the peer
//! keeps them waiting for longer than the way back takes, or for long enough that the owner should hear what happened. So a transfer does not cross threads for each piece of a file.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Duration;

use futures_lite::future::FutureExt;
use haul_core::{Done, Effect, Handle, Machine, StoreError};
use haul_store::{PassThrough, Perform};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Event, Runtime};
use crate::socket::{receive, send, shutdown, unless_it_would_block};
use crate::{Awaited, Clock, Connection, DriveError, Files, Here, Next, Owner, Socket};

/// How long a peer that is expected to go on at once is waited for before the way back.
const LINGER: Duration = Duration::from_millis(1);
/// Threads of all connections that linger at once: those of a runtime are few.
const MOST_LINGERING: usize = 16;
/// How long steps are made away before the owner hears of what happened.
const LONGEST: Duration = Duration::from_millis(10);
/// How long after an event the owner hears of it: it may want to cancel. A large file moves by a few MiB meanwhile, small ones by the dozen.
const HEARD_WITHIN: Duration = Duration::from_millis(1);
/// Events that are kept for the owner, each as large as a name.
const MOST_TOLD: usize = 256;

/// A machine, its files and its socket, wherever they are.
pub(super) struct Roaming<R, M: Machine, P, S> {
    place: Place<M, P, S>,
    /// What happened away and the owner does not know yet.
    told: VecDeque<M::Event>,
    runtime: PhantomData<fn() -> R>,
}

/// A connection that is here, where nothing may block.
pub(super) type AtHome<M, P, S> = Connection<M, Elsewhere<P>, Ours<S>>;

enum Place<M: Machine, P, S> {
    /// On the heap, since it moves: a future has room for each place that a value is moved to.
    Here(Box<AtHome<M, P, S>>),
    Away(Away<M, P, S>),
    /// It went down with a panic or with the runtime.
    Gone,
}

struct Away<M: Machine, P, S> {
    work: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
    desk: Arc<Desk<M, P>>,
    socket: Arc<S>,
    clock: Clock,
}

/// Where those at home and those away leave things for each other.
struct Desk<M: Machine, P> {
    /// It is to come back soon.
    called: AtomicBool,
    left: Mutex<Left<M, P>>,
}

struct Left<M: Machine, P> {
    /// What is to be done with the files before they come back.
    last: Option<fn(&mut P)>,
    brought: Option<thread::Result<Brought<M, P>>>,
}

struct Brought<M: Machine, P> {
    machine: M,
    files: P,
    told: Vec<M::Event>,
    outcome: Result<(), DriveError>,
}

impl<M: Machine, P> Desk<M, P> {
    fn left<T>(&self, look: impl FnOnce(&mut Left<M, P>) -> T) -> T {
        look(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn bring(&self, mut brought: thread::Result<Brought<M, P>>) {
        self.left(|left| {
            if let (Some(last), Ok(brought)) = (left.last.take(), &mut brought) {
                last(&mut brought.files);
            }
            left.brought = Some(brought);
        });
    }
}

impl<R, M, P, S> Roaming<R, M, P, S>
where
    R: Runtime,
    M: Machine<Event: Clone + Send> + Send + 'static,
    P: Perform + Send + 'static,
    S: Socket + Send + Sync + 'static,
{
    /// A connection that is here.
    pub(super) fn new(connection: Connection<M, Here<P>, S>) -> Self {
        let Connection { machine, files: Here(files), socket, clock } = connection;
        let (files, socket) = (Elsewhere(files), Ours(Arc::new(socket)));
        let place = Place::Here(Box::new(Connection { machine, files, socket, clock }));
        Self { place, told: VecDeque::new(), runtime: PhantomData }
    }

    /// The connection, once it is here.
    pub(super) fn poll_here(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<&mut AtHome<M, P, S>, DriveError>> {
        if let Place::Away(away) = &mut self.place {
            let worked = ready!(away.work.as_mut().poll(cx));
            let Place::Away(away) = mem::replace(&mut self.place, Place::Gone) else {
                return Poll::Ready(Err(gone()));
            };
            let brought = away.desk.left(|left| left.brought.take());
            match (worked, brought) {
                (Ok(()), Some(Ok(Brought { machine, files, told, outcome }))) => {
                    let (files, socket) = (Elsewhere(files), Ours(away.socket));
                    let clock = away.clock;
                    let connection = Connection { machine, files, socket, clock };
                    self.place = Place::Here(Box::new(connection));
                    self.told.extend(told);
                    outcome?;
                }
                (_, Some(Err(panic))) => resume_unwind(panic),
                (Err(error), _) => return Poll::Ready(Err(DriveError::Ended(error))),
                (Ok(()), None) => {}
            }
        }
        Poll::Ready(match &mut self.place {
            Place::Here(connection) => Ok(&mut **connection),
            Place::Away(_) | Place::Gone => Err(gone()),
        })
    }

    /// What happened away, in order.
    pub(super) fn told(&mut self) -> Option<M::Event> {
        self.told.pop_front()
    }

    /// Has it come back soon.
    pub(super) fn call(&self) {
        if let Place::Away(away) = &self.place {
            away.desk.called.store(true, Ordering::Relaxed);
        }
    }

    /// Goes where work may block.
    pub(super) fn leave(&mut self) {
        self.place = match mem::replace(&mut self.place, Place::Gone) {
            Place::Here(connection) => {
                let Connection { machine, files, socket: Ours(socket), clock } = *connection;
                let left = Mutex::new(Left { last: None, brought: None });
                let desk = Arc::new(Desk { called: AtomicBool::new(false), left });
                let handle = Lent(Arc::clone(&socket));
                let connection =
                    Connection { machine, files: Here(files.0), socket: handle, clock };
                let to = Arc::clone(&desk);
                let work = Box::pin(R::unblock(move || {
                    let brought = catch_unwind(AssertUnwindSafe(|| work(connection, &to.called)));
                    to.bring(brought);
                }));
                Place::Away(Away { work, desk, socket, clock })
            }
            place => place,
        };
    }

    /// Does this with the files, wherever they are, as soon as no work is done with them.
    pub(super) fn with_files(&mut self, last: fn(&mut P)) {
        match &mut self.place {
            Place::Here(connection) => last(&mut connection.files.0),
            Place::Away(away) => {
                away.desk.called.store(true, Ordering::Relaxed);
                away.desk.left(|left| match &mut left.brought {
                    Some(Ok(brought)) => last(&mut brought.files),
                    _ => left.last = Some(last),
                });
            }
            Place::Gone => {}
        }
    }

    /// Waits for what is under way and discards what is open, where that may block. What is left is to be dropped last: with it the peer sees the connection closed.
    pub(super) async fn close(mut self) -> impl Sized {
        self.call();
        let back = poll_fn(|cx| self.poll_here(cx).map(drop));
        // A panic was nobody's but the session's.
        let _ = AssertUnwindSafe(back).catch_unwind().await;
        let Place::Here(connection) = self.place else {
            return None;
        };
        let Connection { files: Elsewhere(files), socket, .. } = *connection;
        // If the runtime is ending, the files were dropped with the work.
        let _ = R::unblock(move || drop(files)).await;
        Some(socket)
    }
}

fn gone() -> DriveError {
    DriveError::Ended(io::Error::other("the connection is gone"))
}

/// Makes steps where they may block.
fn work<M: Machine<Event: Clone>, P: Perform, S: Socket>(
    mut connection: Connection<M, Here<P>, Lent<S>>,
    called: &AtomicBool,
) -> Brought<M, P> {
    let mut owner = Absent { called, told: Vec::new(), back_by: None };
    let mut cx = Context::from_waker(Waker::noop());
    let until = connection.clock.now() + LONGEST;
    let outcome = loop {
        match connection.step(&mut cx, &mut owner) {
            Ok(Next::Step) if connection.clock.now() < until => {}
            Ok(Next::Wait(awaited)) if goes_on_soon(&connection, &owner, awaited) => {}
            Ok(_) => break Ok(()),
            Err(misuse) => break Err(misuse.into()),
        }
    };
    let Connection { machine, files: Here(files), .. } = connection;
    Brought { machine, files, told: owner.told, outcome }
}

/// Waits a little for the peer.
fn goes_on_soon<M: Machine, P: Perform, S: Socket>(
    connection: &Connection<M, Here<P>, Lent<S>>,
    owner: &impl Owner<M>,
    awaited: Awaited,
) -> bool {
    static LINGERING: AtomicUsize = AtomicUsize::new(0);
    let flags = match awaited {
        Awaited::Readable => PollFlags::IN,
        Awaited::Writable => PollFlags::OUT,
        Awaited::Files => return false,
    };
    let timeout = connection.timeout(owner).map_or(LINGER, |left| left.min(LINGER));
    let Ok(timeout) = Timespec::try_from(timeout) else {
        return false;
    };
    let others = LINGERING.fetch_add(1, Ordering::Relaxed);
    let ready = others < MOST_LINGERING
        && poll(&mut [PollFd::new(&connection.socket, flags)], Some(&timeout)).is_ok_and(|n| n > 0);
    LINGERING.fetch_sub(1, Ordering::Relaxed);
    ready
}

/// Stands for the owner, who stays at home.
struct Absent<'a, E> {
    called: &'a AtomicBool,
    told: Vec<E>,
    /// When the owner has to hear of the first of them.
    back_by: Option<Duration>,
}

impl<M: Machine<Event: Clone>> Owner<M> for Absent<'_, M::Event> {
    type Wake = Event;

    fn step_in(&mut self, _: &mut M, now: Duration) -> ControlFlow<()> {
        if !self.told.is_empty() {
            self.back_by.get_or_insert(now + HEARD_WITHIN);
        }
        let late = self.back_by.is_some_and(|by| by <= now) || self.told.len() >= MOST_TOLD;
        if late || self.called.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn wake(&self) -> Option<&Event> {
        None
    }

    fn event(&mut self, event: &M::Event) -> ControlFlow<()> {
        self.told.push(event.clone());
        ControlFlow::Continue(())
    }
}

/// Files that may not be worked with here.
#[derive(Debug)]
pub(super) struct Elsewhere<P>(pub(super) P);

impl<P: Perform> Files for Elsewhere<P> {
    fn poll_perform(&mut self, _: &mut Context<'_>, _: &Effect) -> Poll<Result<Done, StoreError>> {
        Poll::Pending
    }

    fn pass_through(&mut self, handle: Handle) -> Option<&mut dyn PassThrough> {
        self.0.pass_through(handle)
    }
}

/// The runtime's socket.
#[derive(Debug)]
pub(super) struct Ours<S>(Arc<S>);

impl<S> Ours<S> {
    fn get(&mut self) -> io::Result<&mut S> {
        // Who was away has dropped the other handle before it came back.
        Arc::get_mut(&mut self.0).ok_or_else(|| io::Error::other("the socket is lent"))
    }
}

impl<S: AsFd> AsFd for Ours<S> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: Socket> Socket for Ours<S> {
    fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get()?.poll_read(cx, space)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get()?.poll_write(cx, pieces)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get()?.poll_close_write(cx)
    }
}

/// The same socket while its connection is away: used without the runtime, which then has nothing to tell.
#[derive(Debug)]
struct Lent<S>(Arc<S>);

impl<S: AsFd> AsFd for Lent<S> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: Socket> Socket for Lent<S> {
    fn poll_read<'a>(
        &mut self,
        _: &mut Context<'_>,
        space: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        receive(&*self.0, space)
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        unless_it_would_block(send(&*self.0, pieces))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&*self.0))
    }
}

impl<R, M: Machine, P, S> fmt::Debug for Roaming<R, M, P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Here(_) => "here",
            Place::Away(_) => "away",
            Place::Gone => "gone",
        };
        f.debug_struct("Roaming").field("place", &place).finish_non_exhaustive()
    }
}
