//! Files on their way, one or many over the same connections.

mod desk;
mod dots;
mod retry;

use std::mem;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use haul_core::client::{ClientEvent, EAGER, Failure, Progress, Request};
use haul_core::message::Summary;
use haul_core::{ErrorCode, FilePath};
use haul_store::OwnFiles;
use haul_transport::Call;

use super::tally::Tally;
use crate::app::{self, App};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Direction, Transfer};
use crate::progress::Bar;
use crate::runtime::{Remote, Runtime};

use desk::{Calls, Desk};
pub(crate) use dots::Dotted;
pub(crate) use retry::Retries;

/// A file to move, described: it costs little until its turn comes, and can be begun again over another connection.
pub(crate) trait Job: Send {
    /// Opens what there is to open here, before the server is asked for it.
    fn begin(&mut self) -> Result<Begun, Error>;

    /// Whether to open it may mean to wait for another program. It is begun once at most, while no connection waits with it.
    fn is_stream(&self) -> bool {
        false
    }

    /// Whether to open it has meant to wait, perhaps, and means to lose it if it is opened again.
    fn waits(&self) -> bool {
        self.is_stream()
    }

    /// Of a file that is sent with a directory: the topmost name in its path there that begins with a dot.
    fn dotted(&self) -> Option<Dotted> {
        None
    }
}

/// What comes of beginning a [`Job`].
pub(crate) enum Begun {
    Move(Item),
    /// The same file is there already. It has this many bytes.
    Same(u64),
}

/// A file about to be moved.
pub(crate) struct Item {
    pub(crate) request: Request,
    pub(crate) files: OwnFiles,
    pub(crate) what: What,
}

/// What comes next of all that there is to move.
pub(crate) enum Step {
    Move(Box<dyn Job>),
    /// Something beside the files is wrong.
    Fail(Error),
    /// Something is left out, and why.
    LeaveOut(String),
}

/// How the result for a file is printed.
#[derive(Debug, Clone)]
pub(crate) struct What {
    pub(crate) direction: Direction,
    /// Its name on the server.
    pub(crate) path: FilePath,
    /// Its name here; `None` for a stream.
    pub(crate) local: Option<PathBuf>,
    /// Whether it takes the place of what has its name.
    pub(crate) replaces: bool,
}

/// How much there is to move.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) files: usize,
    pub(crate) bytes: Option<u64>,
}

/// Moves one file and tells of it. If a connection that was there before is lost ere the server has begun with it, it is asked again over a new one, once.
pub(crate) fn one<R: Runtime>(app: &mut App<'_, R>, job: &mut dyn Job) -> Result<(), Error> {
    let mut again = app.is_connected();
    // The connection was lost without a word from the server.
    let mut unheard = false;
    loop {
        let Begun::Move(Item { request, files, what }) = job.begin()? else { return Ok(()) };
        if job.waits() {
            // It cannot be begun again, and the session may have been over before this one came.
            app.say_goodbye();
            again = false;
        }
        // First, so that no bar stands there for a server that cannot be reached.
        app.connect()?;
        let mut bar = Bar::new(app.progress_target(), what.path.file_name());
        let mut begun = false;
        let watch = |event: &ClientEvent| {
            match event {
                ClientEvent::Sending { sending, .. } => {
                    begun = true;
                    bar.update(Progress { bytes: 0, total: Some(sending.length) });
                }
                ClientEvent::Progress { progress, .. } => {
                    begun |= !is_sent_unasked(what.direction, progress);
                    bar.update(*progress);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let moved = app.exchange(Call { request, files, watch })?;
        drop(bar);
        let failure = match moved {
            Err(failure) if unheard && what.may_be_stored(&failure) => {
                return Err(what.outcome_unknown());
            }
            Err(failure) => failure,
            Ok(summary) => return what.tell(app, Ok(summary))?.1,
        };
        let error = Error::request(what.path.as_str(), &failure);
        if begun || !mem::take(&mut again) || !app.asks_again(&error) {
            return what.tell(app, Err(error))?.1;
        }
        unheard = !matches!(failure, Failure::Refused(_));
    }
}

/// Whether so much is sent before the server has agreed to it.
fn is_sent_unasked(direction: Direction, progress: &Progress) -> bool {
    direction == Direction::Up && progress.total.is_some_and(|total| total <= EAGER)
}

/// Moves many files over `jobs` connections and tells of each. Those whose connection is lost before they are confirmed go over another one.
pub(crate) fn all<R: Runtime>(
    app: &mut App<'_, R>,
    tally: &mut Tally,
    steps: impl IntoIterator<Item = Step, IntoIter: Send>,
    extent: Extent,
    jobs: u8,
) {
    let mut retries = Retries::new(app.settings.retry);
    let steps = Mutex::new(steps.into_iter());
    let mut desk = Mutex::new(Desk::new(app, tally, extent));
    let mut lost = None;
    // Each turn is one set of connections. The first file is opened before them: a connection is
    // only made if there is something to move, and no server waits for a stream without input.
    while (Calls { desk: &desk, steps: &steps }).has_first() {
        let here = entire(&mut desk);
        if let Some(error) = lost.take()
            && !here.without_bar(|app| retries.wait(app, &error))
        {
            here.give_up(&error);
            break;
        }
        let remotes = match connect(here.app, jobs) {
            Ok(remotes) => remotes,
            Err(error) if here.connected => {
                lost = Some(error);
                continue;
            }
            Err(error) => {
                here.give_up(&error);
                break;
            }
        };
        let (remotes, failure) = run(remotes, &desk, &steps);
        let here = entire(&mut desk);
        here.connected = true;
        if here.made_progress() {
            retries.begin_anew();
        }
        if failure.is_none() {
            keep_one(here, remotes);
        }
        lost = failure;
    }
    desk.into_inner().unwrap_or_else(PoisonError::into_inner).close();
}

fn entire<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Moves what comes next over `remotes`, until nothing does or all of them are of no more use. Gives what they were lost by, if one was.
fn run<R: Runtime>(
    mut remotes: Vec<Box<dyn Remote>>,
    desk: &Mutex<Desk<'_, '_, R>>,
    steps: &Mutex<impl Iterator<Item = Step> + Send>,
) -> (Vec<Box<dyn Remote>>, Option<Error>) {
    let work = |remote: &mut Box<dyn Remote>| remote.run(&mut Calls { desk, steps });
    let outcomes = match &mut remotes[..] {
        [remote] => vec![work(remote)],
        remotes => thread::scope(|scope| {
            let running: Vec<_> =
                remotes.iter_mut().map(|remote| scope.spawn(|| work(remote))).collect();
            running.into_iter().map(joined).collect()
        }),
    };
    let mut desk = desk::lock(desk);
    let failure = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
    if failure == Some(&Failure::Cancelled) {
        desk.interrupted();
    }
    // What went wrong was told file by file, unless no connection took any.
    let lost = desk.lost.take().or_else(|| Some(Error::request(&desk.subject(), failure?)));
    (remotes, lost)
}

/// Ends all sessions but one, which others may use; that one too if the next file may have to be waited for.
fn keep_one<R: Runtime>(desk: &mut Desk<'_, '_, R>, mut remotes: Vec<Box<dyn Remote>>) {
    let kept = if desk.waits_next() { None } else { remotes.pop() };
    remotes.into_iter().for_each(app::say_goodbye);
    if let Some(remote) = kept {
        desk.app.give_back(remote);
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Makes `jobs` connections, or fewer if the server refuses more.
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

impl What {
    /// Tells what became of the file, and gives its bytes, and whether that could be printed.
    fn tell<R: Runtime>(
        &self,
        app: &mut App<'_, R>,
        moved: Result<Summary, Error>,
    ) -> Result<(u64, Result<(), Error>), Error> {
        // The data went to a reader that is gone, and so would every word about it.
        if self.goes_to_stdout() && app.console.stdout.is_closed() {
            return Err(Error::output(&std::io::ErrorKind::BrokenPipe.into()));
        }
        let Self { direction, path, local, .. } = self;
        let transfer = Transfer::new(*direction, path, local.as_deref(), &moved?);
        let printed =
            if self.goes_to_stdout() { Ok(()) } else { app.result(&transfer, &transfer.record()) };
        let printed = printed.map_err(|error| {
            error.at(match direction {
                Direction::Down => "it is here and verified",
                Direction::Up => "it is stored",
            })
        });
        Ok((transfer.size, printed.map_err(|error| error.at(path.as_str()))))
    }

    fn goes_to_stdout(&self) -> bool {
        self.local.is_none() && self.direction == Direction::Down
    }

    /// Why the file was not moved.
    fn failed(&self, failure: &Failure) -> Error {
        let error = Error::request(self.path.as_str(), failure);
        match failure {
            Failure::Refused(refusal) if refusal.code() == Some(ErrorCode::IsDirectory) => error
                .advise(match self.direction {
                    Direction::Down => "-r brings all that is in it",
                    Direction::Up => "with a / at its end --as names the directory for the file",
                }),
            // It is taken by another name, which is one with this one there.
            Failure::Refused(refusal)
                if refusal.code() == Some(ErrorCode::Exists) && self.replaces =>
            {
                error.advise("choose another name")
            }
            _ => error,
        }
    }

    /// Whether it may have been this program that stored the file which is there, before it lost the receipt.
    fn may_be_stored(&self, failure: &Failure) -> bool {
        self.direction == Direction::Up && is_refused(failure, ErrorCode::Exists)
    }

    /// The error of that.
    fn outcome_unknown(&self) -> Error {
        let message = "exists, perhaps from before the connection was lost";
        Error::new(Exit::OutcomeUnknown, message)
            .at(self.path.as_str())
            .advise("compare its size and time: ls -l shows them")
    }
}

fn is_refused(failure: &Failure, code: ErrorCode) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.code() == Some(code))
}
