//! The work queue that the connections of a transfer share, and the results.

use std::collections::VecDeque;
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use haul_core::ErrorCode;
use haul_core::client::{ClientEvent, Failure, Progress};
use haul_core::message::Summary;
use haul_store::ClientFiles;
use haul_transport::Call;

use super::dots::{Dots, Dotted};
use super::job::{Begun, Extent, Item, Job, Step, What, is_refused};
use crate::app::App;
use crate::commands::tally::Tally;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::progress::Bar;
use crate::transport::{Transport, Watch};

/// A job, and whether a connection was lost while it ran.
struct Queued {
    job: Box<dyn Job>,
    again: bool,
}

pub(super) struct WorkQueue<'d, 'a, T> {
    pub(super) app: &'d mut App<'a, T>,
    tally: &'d mut Tally,
    bar: Option<Bar>,
    extent: Extent,
    bytes: u64,
    /// The number of jobs that were taken.
    taken: usize,
    /// A job that is already open.
    first: Option<(Queued, Item)>,
    /// Jobs that come before all further steps.
    next: VecDeque<Queued>,
    /// The number of jobs that ended with the program, besides the one that was reported.
    unfinished: usize,
    dots: Dots,
    done_before: usize,
    /// There was a connection.
    pub(super) connected: bool,
    /// No more jobs begin.
    pub(super) hopeless: bool,
    /// Why a connection was lost.
    pub(super) lost: Option<Error>,
}

impl<'d, 'a, T: Transport> WorkQueue<'d, 'a, T> {
    pub(super) fn new(app: &'d mut App<'a, T>, tally: &'d mut Tally, extent: Extent) -> Self {
        Self {
            done_before: tally.done(),
            app,
            tally,
            bar: None,
            extent,
            bytes: 0,
            taken: 0,
            first: None,
            next: VecDeque::new(),
            unfinished: 0,
            dots: Dots::default(),
            connected: false,
            hopeless: false,
            lost: None,
        }
    }

    /// Whether a file was transferred since the last call.
    pub(super) fn made_progress(&mut self) -> bool {
        let done = self.tally.done();
        mem::replace(&mut self.done_before, done) < done
    }

    /// Whether the next job is a stream.
    pub(super) fn waits_next(&self) -> bool {
        self.next.front().is_some_and(|queued| queued.job.is_stream())
    }

    /// The subject of an error that does not belong to a running job.
    pub(super) fn subject(&self) -> String {
        self.first.as_ref().map_or_else(
            || self.app.server.to_string(),
            |(_, item)| item.what.path.as_str().to_owned(),
        )
    }

    /// Removes the bar and prints something.
    pub(super) fn without_bar<O>(&mut self, print: impl FnOnce(&mut App<'a, T>) -> O) -> O {
        self.bar = None;
        print(self.app)
    }

    /// The most files that are still to transfer.
    pub(super) fn remaining(&self) -> usize {
        let waiting = usize::from(self.first.is_some()) + self.next.len();
        waiting + self.extent.files.saturating_sub(self.taken)
    }

    /// Begins no more jobs, because of `error`.
    pub(super) fn give_up(&mut self, error: &Error) {
        self.hopeless = true;
        self.bar = None;
        // Earlier errors were already reported.
        let waiting = usize::from(self.first.take().is_some()) + self.next.len();
        if waiting > 0 {
            self.tally.fail(self.app, 1, error);
            self.unfinished += waiting - 1;
            self.next.clear();
        }
    }

    /// If no more jobs begin, reports how many were not finished.
    pub(super) fn close(mut self) {
        self.bar = None;
        if !self.hopeless {
            return;
        }
        let left = self.remaining() + self.unfinished;
        if left > 0 {
            let error = Error::new(Exit::Network, format!("{left} more not finished"));
            self.tally.fail(self.app, left, &error);
        }
    }

    fn moved(&mut self, before: &mut u64, bytes: u64) {
        self.bytes = self.bytes - mem::replace(before, bytes) + bytes;
        self.show();
    }

    /// Learns the size of a file. If it is the only one, that is the total.
    fn learn(&mut self, size: Option<u64>) {
        if self.extent.files == 1 {
            self.extent.bytes = self.extent.bytes.or(size);
        }
    }

    fn show(&mut self) {
        let progress = Progress { bytes: self.bytes, total: self.extent.bytes };
        if let Some(bar) = &mut self.bar {
            bar.update(progress);
        }
    }

    fn ended(&mut self) {
        if let (Some(bar), true) = (&mut self.bar, self.extent.files != 1) {
            bar.count(self.tally.ended(), Some(self.extent.files));
        }
    }

    fn count(&mut self, outcome: &Result<u64, Error>) {
        let ends_all = |error: &Error| error.is_hopeless() && error.retry_after().is_none();
        self.hopeless |= outcome.as_ref().is_err_and(ends_all);
        self.tally.count(self.app, outcome);
    }

    /// Handles an interrupt. Reports it if no file has.
    pub(super) fn interrupted(&mut self) {
        if !self.hopeless {
            let subject = self.subject();
            self.tally.fail(self.app, 0, &Error::request(&subject, &Failure::Cancelled));
        }
        self.hopeless = true;
    }

    fn finished(&mut self, queued: Queued, what: &What, result: &Result<Summary, Failure>) {
        if let Some(outcome) = self.outcome(queued, what, result) {
            self.count(&outcome);
            self.ended();
        }
    }

    /// The outcome of a file; `None` if it is not final, or was already reported.
    fn outcome(
        &mut self,
        queued: Queued,
        what: &What,
        result: &Result<Summary, Failure>,
    ) -> Option<Result<u64, Error>> {
        let failure = match result {
            Ok(summary) => return Some(self.told(what, Ok(summary.clone()))),
            Err(failure) => failure,
        };
        let lost = error::loses_connection(failure);
        let error = what.failed(failure);
        // A failure that ends everything is reported once.
        if self.hopeless && (lost || *failure == Failure::Cancelled) {
            self.unfinished += 1;
            return None;
        }
        if error.retry_after().is_some() {
            self.lost.get_or_insert_with(|| what.failed(failure));
            // A stream can be read or written only once.
            if queued.job.is_stream() {
                return Some(Err(error));
            }
            self.next.push_back(Queued { again: true, ..queued });
            return None;
        }
        if is_refused(failure, ErrorCode::NotFound)
            && let Some(dotted) = queued.job.dotted()
        {
            self.refuse(&dotted);
            return None;
        }
        if queued.again && what.may_be_stored(failure) {
            return Some(Err(what.outcome_unknown()));
        }
        Some(self.told(what, Err(error)))
    }

    /// Prints the result of a file. If that fails, the file counts as done, but no more jobs begin.
    fn told(&mut self, what: &What, moved: Result<Summary, Error>) -> Result<u64, Error> {
        let (bytes, printed) = what.tell(self.app, moved)?;
        if let Err(error) = printed {
            self.hopeless = true;
            self.tally.unprinted(self.app, &error);
        }
        Ok(bytes)
    }

    /// Takes a step, and returns its job if it has one to begin.
    fn take(&mut self, step: Step) -> Option<Queued> {
        let job = match step {
            Step::Move(job) => job,
            Step::Fail(error) => {
                self.count(&Err(error));
                return None;
            }
            Step::LeaveOut(what) => {
                self.tally.leave_out(self.app, 1, &what);
                return None;
            }
        };
        self.taken += 1;
        match job.dotted().filter(|_| self.dots.are_refused()) {
            None => Some(Queued { job, again: false }),
            Some(dotted) => {
                self.refuse(&dotted);
                None
            }
        }
    }

    fn refuse(&mut self, dotted: &Dotted) {
        if self.dots.refuse(dotted) {
            self.tally.leave_out(self.app, 1, &dotted.to_string());
        }
    }

    fn begun(&mut self, queued: Queued, begun: Result<Begun, Error>) -> Option<(Queued, Item)> {
        match begun {
            Ok(Begun::Move(item)) => {
                if self.bar.is_none() {
                    let target = self.app.progress_target();
                    self.bar = Some(Bar::new(target, item.what.path.file_name()));
                    if let ClientFiles::Source(source) = &item.files {
                        self.learn(source.opened().size);
                    }
                    self.show();
                }
                return Some((queued, item));
            }
            Ok(Begun::Same(bytes)) => {
                self.tally.skip();
                self.bytes += bytes;
            }
            Err(error) => self.count(&Err(error)),
        }
        self.ended();
        None
    }
}

/// The next files for a connection, as calls.
pub(super) struct Calls<'s, 'd, 'a, T, I> {
    queue: &'s Mutex<WorkQueue<'d, 'a, T>>,
    steps: &'s Mutex<I>,
    /// After how many more files to call the function.
    notice: Option<(usize, &'s dyn Fn())>,
}

impl<'s, 'd, 'a, T: Transport, I: Iterator<Item = Step>> Calls<'s, 'd, 'a, T, I> {
    pub(super) fn new(queue: &'s Mutex<WorkQueue<'d, 'a, T>>, steps: &'s Mutex<I>) -> Self {
        Self { queue, steps, notice: None }
    }

    /// Calls `notice` once the connection has taken this number of files, at least 1.
    pub(super) fn with_notice(self, files: usize, notice: &'s dyn Fn()) -> Self {
        Self { notice: Some((files, notice)), ..self }
    }

    fn count(&mut self) {
        if let Some((files, notice)) = self.notice.take() {
            match files - 1 {
                0 => notice(),
                left => self.notice = Some((left, notice)),
            }
        }
    }

    /// Whether there is a file to transfer. Opens it, however long that takes.
    pub(super) fn has_first(&self) -> bool {
        let Some(first) = self.pull(true) else { return false };
        lock(self.queue).first = Some(first);
        true
    }

    fn pull(&self, may_wait: bool) -> Option<(Queued, Item)> {
        let mut steps = lock(self.steps);
        loop {
            let mut queue = lock(self.queue);
            if queue.hopeless {
                return None;
            }
            if let Some(first) = queue.first.take() {
                return Some(first);
            }
            let queued = if let Some(queued) = queue.next.pop_front() {
                queued
            } else {
                drop(queue);
                // This may wait for a disk; other connections can still report their results.
                let step = steps.next()?;
                queue = lock(self.queue);
                let Some(queued) = queue.take(step) else { continue };
                queued
            };
            if !may_wait && queued.job.is_stream() {
                queue.next.push_front(queued);
                return None;
            }
            drop(queue);
            let Queued { mut job, again } = queued;
            let begun = job.begin();
            let begun = lock(self.queue).begun(Queued { job, again }, begun);
            if begun.is_some() {
                return begun;
            }
        }
    }
}

impl<'s, T: Transport, I: Iterator<Item = Step>> Iterator for Calls<'s, '_, '_, T, I> {
    type Item = Call<Watch<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (queued, Item { request, files, what }) = self.pull(false)?;
        self.count();
        let queue = self.queue;
        let mut queued = Some(queued);
        let mut before = 0;
        let watch = move |event: &ClientEvent| {
            match event {
                ClientEvent::Sending { sending, .. } => {
                    let mut queue = lock(queue);
                    queue.learn(Some(sending.length));
                    queue.moved(&mut before, 0);
                }
                ClientEvent::Progress { progress, .. } => {
                    lock(queue).moved(&mut before, progress.bytes);
                }
                ClientEvent::Finished { result, .. } => {
                    let mut queue = lock(queue);
                    if result.is_err() {
                        queue.moved(&mut before, 0);
                    }
                    if let Some(queued) = queued.take() {
                        queue.finished(queued, &what, result);
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        };
        Some(Call { request, files, watch: Box::new(watch) })
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
