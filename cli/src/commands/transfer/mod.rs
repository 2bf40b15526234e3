//! Transfers of one file, or of many over several connections.

mod connections;
mod dots;
mod job;
mod queue;
mod retry;

use std::mem;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use haul_core::client::{ClientEvent, EAGER, Failure, Progress};
use haul_transport::Call;
use haul_transport::descriptors::raise_limit;

use super::tally::Tally;
use crate::app::{self, App};
use crate::error::Error;
use crate::output::Direction;
use crate::progress::Bar;
use crate::transport::{Remote, Transport};

use connections::Plan;
pub(crate) use dots::Dotted;
pub(crate) use job::{Begun, Extent, Item, Job, Step, What};
use queue::{Calls, WorkQueue};
pub(crate) use retry::Retries;

/// The descriptors to count on if the system does not say how many there are.
const FEW_DESCRIPTORS: u64 = 256;

/// Transfers one file and prints the result. If an existing connection is lost before the server has started the
/// request, the request is made again, once, over a new connection.
pub(crate) fn one<T: Transport>(app: &mut App<'_, T>, job: &mut dyn Job) -> Result<(), Error> {
    let mut again = app.is_connected();
    // The connection was lost before the server replied.
    let mut unheard = false;
    loop {
        let Begun::Move(Item { request, files, what }) = job.begin()? else { return Ok(()) };
        if job.waits() {
            // The job cannot begin again, and the old session may already be over.
            app.say_goodbye();
            again = false;
        }
        // Connect first, so that there is no bar for an unreachable server.
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

/// Whether this much is sent before the server has accepted the upload.
fn is_sent_unasked(direction: Direction, progress: &Progress) -> bool {
    direction == Direction::Up && progress.total.is_some_and(|total| total <= EAGER)
}

/// Moves many files and prints the result of each. `jobs` is the number of connections, if it was given. A file whose
/// connection is lost before the file is confirmed goes over another connection.
pub(crate) fn all<T: Transport>(
    app: &mut App<'_, T>,
    tally: &mut Tally,
    steps: impl IntoIterator<Item = Step, IntoIter: Send>,
    extent: Extent,
    jobs: Option<u8>,
) {
    let descriptors = raise_limit().unwrap_or(FEW_DESCRIPTORS);
    let mut retries = Retries::new(app.settings.retry);
    let steps = Mutex::new(steps.into_iter());
    let mut queue = Mutex::new(WorkQueue::new(app, tally, extent));
    let mut lost = None;
    // Each turn has its own connections. The first file is opened before them: a connection is made only if there is
    // something to move, and no server waits for a stream without input.
    while Calls::new(&queue, &steps).has_first() {
        let here = entire(&mut queue);
        if let Some(error) = lost.take()
            && !here.without_bar(|app| retries.wait(app, &error))
        {
            here.give_up(&error);
            break;
        }
        let first = match here.app.take_remote() {
            Ok(remote) => remote,
            Err(error) if here.connected => {
                lost = Some(error);
                continue;
            }
            Err(error) => {
                here.give_up(&error);
                break;
            }
        };
        // The further connections may be the reason for a loss, so continue with one.
        let jobs = jobs.or(here.connected.then_some(1));
        let plan = Plan::new(jobs, here.remaining(), descriptors);
        let (remotes, failure) = run(first, plan, &mut queue, &steps);
        let here = entire(&mut queue);
        here.connected = true;
        if here.made_progress() {
            retries.reset();
        }
        if failure.is_none() {
            keep_one(here, remotes);
        }
        lost = failure;
    }
    queue.into_inner().unwrap_or_else(PoisonError::into_inner).close();
}

fn entire<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Moves files over `first` and further connections until there are no more files or no connection is left. Returns the
/// connections, and what one of them was lost by.
fn run<T: Transport>(
    first: Box<dyn Remote>,
    plan: Plan,
    queue: &mut Mutex<WorkQueue<'_, '_, T>>,
    steps: &Mutex<impl Iterator<Item = Step> + Send>,
) -> (Vec<Box<dyn Remote>>, Option<Error>) {
    let connector = entire(queue).app.connector(false);
    let (remotes, outcomes): (Vec<_>, Vec<_>) =
        connections::run(first, &connector, plan, queue, steps).into_iter().unzip();
    let queue = entire(queue);
    if outcomes.contains(&Err(Failure::Cancelled)) {
        queue.interrupted();
    }
    // The failure of each file was reported with the file, unless no connection took any.
    let failure = outcomes.into_iter().find_map(Result::err);
    let lost = queue.lost.take().or_else(|| Some(Error::request(&queue.subject(), &failure?)));
    (remotes, lost)
}

/// Ends all sessions but one, which others may use. Ends that one too if opening the next file may wait.
fn keep_one<T: Transport>(queue: &mut WorkQueue<'_, '_, T>, mut remotes: Vec<Box<dyn Remote>>) {
    let kept = if queue.waits_next() { None } else { remotes.pop() };
    remotes.into_iter().for_each(app::say_goodbye);
    if let Some(remote) = kept {
        queue.app.give_back(remote);
    }
}
