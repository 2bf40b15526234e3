//! Files on their way, one or many over the same connections.

use std::mem;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use haul_core::FilePath;
use haul_core::client::{ClientEvent, Failure, Progress, Request};
use haul_core::message::Summary;
use haul_store::OwnFiles;
use haul_transport::Call;

use super::tally::Tally;
use crate::app::{self, App};
use crate::error::{self, Error};
use crate::output::{Direction, Transfer};
use crate::progress::Bar;
use crate::runtime::{Remote, Runtime, Watch};

/// A file to move.
pub(crate) struct Item {
    pub(crate) request: Request,
    pub(crate) files: OwnFiles,
    pub(crate) what: What,
}

/// What comes next of all that there is to move.
pub(crate) enum Step {
    Move(Item),
    /// Something cannot be moved.
    Fail(Error),
    /// Something is left out, and is no failure.
    Note(String),
}

/// How a file is told of.
pub(crate) struct What {
    pub(crate) direction: Direction,
    /// Its name on the server.
    pub(crate) path: FilePath,
    /// Its name here; `None` for a stream.
    pub(crate) local: Option<PathBuf>,
}

/// How many there are to move.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) files: Option<usize>,
    pub(crate) bytes: Option<u64>,
}

/// Moves one file and tells of it.
pub(crate) fn one<R: Runtime>(app: &mut App<'_, R>, item: Item) -> Result<(), Error> {
    let Item { request, files, what } = item;
    // First, so that no bar stands there for a server that cannot be reached.
    app.connect()?;
    let mut bar = Bar::new(app.progress_target(), what.path.file_name());
    let watch = |event: &ClientEvent| {
        match event {
            ClientEvent::Sending { sending, .. } => {
                bar.update(Progress { bytes: 0, total: Some(sending.length) });
            }
            ClientEvent::Progress { progress, .. } => bar.update(*progress),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let moved = app.request(what.path.as_str(), Call { request, files, watch });
    drop(bar);
    what.tell(app, moved)
}

/// Moves many files over `jobs` connections and tells of each.
pub(crate) fn all<R: Runtime>(
    app: &mut App<'_, R>,
    tally: &mut Tally,
    steps: impl IntoIterator<Item = Step, IntoIter: Send>,
    extent: Extent,
    jobs: u8,
) {
    let mut steps = steps.into_iter();
    let mut taken = 0;
    // Nobody is connected to for nothing.
    let first = loop {
        let Some(step) = steps.next() else { return };
        if let Some(item) = take(app, tally, &mut taken, step) {
            break item;
        }
    };
    let mut remotes = match connect(app, jobs) {
        Ok(remotes) => remotes,
        Err(error) => {
            tally.count(app, &Err(error));
            not_tried(app, extent, taken);
            return;
        }
    };
    let bar = Bar::new(app.progress_target(), first.what.path.file_name());
    let desk = Mutex::new(Desk {
        app,
        tally,
        bar,
        extent,
        bytes: 0,
        taken,
        first: Some(first),
        under_way: 0,
        hopeless: false,
        lost: false,
    });
    let steps = Mutex::new(steps);
    let work = |remote: &mut Box<dyn Remote>| remote.run(&mut Calls { desk: &desk, steps: &steps });
    let outcomes = match &mut remotes[..] {
        [remote] => vec![work(remote)],
        remotes => thread::scope(|scope| {
            let running: Vec<_> =
                remotes.iter_mut().map(|remote| scope.spawn(|| work(remote))).collect();
            running.into_iter().map(joined).collect()
        }),
    };
    let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Desk { app, tally, bar, taken, first, under_way, hopeless, lost, .. } = desk;
    drop(bar);
    // What went wrong is told file by file, unless no connection took any.
    if let (Some(first), Some(Err(failure))) = (first, outcomes.first()) {
        tally.count(app, &Err(Error::request(first.what.path.as_str(), failure)));
    }
    let hopeless = hopeless || outcomes.iter().all(Result::is_err);
    let lost = lost
        || outcomes
            .iter()
            .any(|outcome| outcome.as_ref().is_err_and(|failure| *failure != Failure::Cancelled));
    if under_way > 0 {
        app.note(format_args!("{under_way} more not finished"));
    }
    if hopeless {
        not_tried(app, extent, taken);
    }
    if !lost {
        remotes.drain(1..).for_each(app::say_goodbye);
        if let Some(remote) = remotes.pop() {
            app.give_back(remote);
        }
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The item of a step, which counts as one of the `taken`; else what it says is told.
fn take<R: Runtime>(
    app: &mut App<'_, R>,
    tally: &mut Tally,
    taken: &mut usize,
    step: Step,
) -> Option<Item> {
    match step {
        Step::Move(item) => {
            *taken += 1;
            return Some(item);
        }
        Step::Fail(error) => {
            *taken += 1;
            tally.count(app, &Err(error));
        }
        Step::Note(note) => app.note(note),
    }
    None
}

/// Makes so many connections; fewer, if the server has enough.
fn connect<R: Runtime>(app: &mut App<'_, R>, jobs: u8) -> Result<Vec<Box<dyn Remote>>, Error> {
    let mut remotes = vec![app.take_remote()?];
    while remotes.len() < jobs.into() {
        match app.open() {
            Ok(remote) => remotes.push(remote),
            Err(error) => {
                app.note(format_args!("only {} of {jobs} connections: {error}", remotes.len()));
                break;
            }
        }
    }
    Ok(remotes)
}

fn not_tried<R: Runtime>(app: &mut App<'_, R>, extent: Extent, taken: usize) {
    match extent.files.map(|files| files.saturating_sub(taken)) {
        Some(0) => {}
        Some(left) => app.note(format_args!("{left} more not tried")),
        None => app.note("the others were not tried"),
    }
}

/// What all connections share: who is told, and what is left to do.
struct Desk<'d, 'a, R> {
    app: &'d mut App<'a, R>,
    tally: &'d mut Tally,
    bar: Bar,
    extent: Extent,
    bytes: u64,
    taken: usize,
    /// What was taken from the steps already.
    first: Option<Item>,
    /// Those that ended with their connection, beside the one that was told of.
    under_way: usize,
    /// Nothing more is to be begun.
    hopeless: bool,
    lost: bool,
}

impl<R: Runtime> Desk<'_, '_, R> {
    fn moved(&mut self, before: &mut u64, bytes: u64) {
        self.bytes = self.bytes - mem::replace(before, bytes) + bytes;
        let total = self.extent.bytes;
        self.bar.update(Progress { bytes: self.bytes, total });
    }

    fn finished(&mut self, what: &What, result: &Result<Summary, Failure>) {
        let again = self.hopeless;
        let told = match result {
            Ok(summary) => what.tell(self.app, Ok(summary.clone())),
            Err(failure) => {
                let lost = error::loses_connection(failure);
                self.lost |= lost;
                // What a lost connection or an interrupt means is said once.
                if again && (lost || *failure == Failure::Cancelled) {
                    self.under_way += 1;
                    return;
                }
                what.tell(self.app, Err(Error::request(what.path.as_str(), failure)))
            }
        };
        self.tally.count(self.app, &told);
        self.hopeless |= told.is_err_and(|error| error.is_hopeless());
        if self.extent.files != Some(1) {
            self.bar.count(self.tally.done(), self.extent.files);
        }
    }
}

/// The next items, as calls.
struct Calls<'s, 'd, 'a, R, I> {
    desk: &'s Mutex<Desk<'d, 'a, R>>,
    steps: &'s Mutex<I>,
}

impl<'s, R: Runtime, I: Iterator<Item = Step>> Iterator for Calls<'s, '_, '_, R, I> {
    type Item = Call<Watch<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut steps = lock(self.steps);
        let Item { request, files, what } = loop {
            let mut desk = lock(self.desk);
            if desk.hopeless {
                return None;
            }
            if let Some(first) = desk.first.take() {
                break first;
            }
            drop(desk);
            // This may wait for a disk, while others tell what became of their files.
            let step = steps.next()?;
            let Desk { app, tally, taken, .. } = &mut *lock(self.desk);
            if let Some(item) = take(app, tally, taken, step) {
                break item;
            }
        };
        let desk = self.desk;
        let mut before = 0;
        let watch = move |event: &ClientEvent| {
            match event {
                ClientEvent::Sending { .. } => lock(desk).moved(&mut before, 0),
                ClientEvent::Progress { progress, .. } => {
                    lock(desk).moved(&mut before, progress.bytes);
                }
                ClientEvent::Finished { result, .. } => lock(desk).finished(&what, result),
                _ => {}
            }
            ControlFlow::Continue(())
        };
        Some(Call { request, files, watch: Box::new(watch) })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl What {
    /// Tells what became of the file.
    fn tell<R: Runtime>(
        &self,
        app: &mut App<'_, R>,
        moved: Result<Summary, Error>,
    ) -> Result<(), Error> {
        let Self { direction, path, local } = self;
        if local.is_none() && *direction == Direction::Down {
            // The data went to a reader that is gone, and so would every word about it.
            if app.console.stdout.is_closed() {
                return Err(Error::output(&std::io::ErrorKind::BrokenPipe.into()));
            }
            return moved.map(drop);
        }
        let summary = moved?;
        let transfer = Transfer::new(*direction, path, local.as_deref(), &summary);
        app.result(&transfer, &transfer.record())
    }
}
