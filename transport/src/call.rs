//! What a client asks for, and the owner that waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use haul_core::RequestId;
use haul_core::client::{Client as Machine, ClientEvent, Failure, Progress, Request};
use haul_core::message::{Greeting, Summary};
use haul_core::{Depth, Entry, FilePath, Mode};
use haul_store::{OwnFiles, Source, Target, Waiting};

use crate::{DriveError, Owner, Wake};

/// A request, with the files that it needs and whoever watches it. A watcher is told of each event, the last of which is
/// [`Finished`](ClientEvent::Finished); one that breaks before cancels the request.
#[derive(Debug)]
pub struct Call<F> {
    /// What the server is asked.
    pub request: Request,
    /// Where payload comes from or goes to.
    pub files: OwnFiles,
    /// Told of each event of the request.
    pub watch: F,
}

/// Which bytes a download fetches, and what its target is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadOptions {
    /// The first byte, from the start of the file.
    pub offset: u64,
    /// The most bytes; `None` is all to the end.
    pub length: Option<u64>,
    /// Whether the target may replace a file that exists.
    pub mode: Mode,
}

impl Default for DownloadOptions {
    /// The whole file, which replaces nothing.
    fn default() -> Self {
        Self { offset: 0, length: None, mode: Mode::Create }
    }
}

/// How far a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOptions {
    /// How deep it goes.
    pub depth: Depth,
    /// Whether to name what it leaves out, too, by [`Entry::Omitted`]. If the server does not know how to, the summary has no count of it.
    pub omitted: bool,
}

impl Default for ListOptions {
    /// A directory's own entries.
    fn default() -> Self {
        Self { depth: Depth::ONE, omitted: false }
    }
}

/// Lists a directory or a file; `None` is the shared directory itself. Entries come in any order.
pub fn list(
    path: Option<&FilePath>,
    options: ListOptions,
    mut on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let ListOptions { depth, omitted } = options;
    Call {
        request: Request::List { path: path.cloned(), depth, omitted },
        files: OwnFiles::Nothing,
        watch: move |event: &ClientEvent| match event {
            ClientEvent::Entry { entry, .. } => on_entry(entry),
            _ => ControlFlow::Continue(()),
        },
    }
}

/// Fetches a file into `target`, which is begun when the server begins to send, and gets its name only when length and checksum were found right.
pub fn download(
    path: &FilePath,
    options: DownloadOptions,
    target: Box<dyn Target>,
    on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let DownloadOptions { offset, length, mode } = options;
    let path = path.clone();
    transfer(
        Request::Download { path, offset, length, mode },
        OwnFiles::Target(target),
        on_progress,
    )
}

/// Stores `source` under `path`. Success is the server's receipt: what it has is what was read here.
pub fn upload(
    path: &FilePath,
    mode: Mode,
    source: Box<dyn Source>,
    on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let path = path.clone();
    transfer(Request::Upload { path, mode }, OwnFiles::Source(source), on_progress)
}

fn transfer(
    request: Request,
    files: OwnFiles,
    mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let watch = move |event: &ClientEvent| match event {
        ClientEvent::Sending { sending, .. } => {
            on_progress(Progress { bytes: 0, total: Some(sending.length) })
        }
        ClientEvent::Progress { progress, .. } => on_progress(*progress),
        _ => ControlFlow::Continue(()),
    };
    Call { request, files, watch }
}

/// Asks for the server's lines of help: its text, to be [escaped](haul_core::Escaped) before it is shown.
pub fn help(lines: &mut Vec<String>) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let watch = |event: &ClientEvent| {
        if let ClientEvent::Info { text, .. } = event {
            lines.push(text.clone());
        }
        ControlFlow::Continue(())
    };
    Call { request: Request::Help, files: OwnFiles::Nothing, watch }
}

/// Ends the session.
pub fn exit() -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    let watch = |_: &ClientEvent| ControlFlow::Continue(());
    Call { request: Request::Exit, files: OwnFiles::Nothing, watch }
}

/// Waits for the greeting.
#[derive(Debug)]
pub struct Greeted<'a, W> {
    wake: Option<&'a W>,
    outcome: Option<Result<Greeting, Failure>>,
}

impl<'a, W: Wake> Greeted<'a, W> {
    /// Until `wake` is raised.
    pub fn new(wake: Option<&'a W>) -> Self {
        Self { wake, outcome: None }
    }

    /// What the server said first.
    pub fn outcome(self) -> Result<Greeting, Failure> {
        self.outcome.unwrap_or(Err(match self.wake {
            Some(wake) if wake.is_raised() => Failure::Cancelled,
            _ => Failure::Disconnected,
        }))
    }
}

impl<W: Wake> Owner<Machine> for Greeted<'_, W> {
    type Wake = W;

    fn step_in(&mut self, _: &mut Machine, _: Duration) -> ControlFlow<()> {
        match self.wake {
            Some(wake) if wake.is_raised() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn wake(&self) -> Option<&W> {
        self.wake
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        self.outcome = match event {
            ClientEvent::Greeted(greeting) => Some(Ok(greeting.clone())),
            ClientEvent::Lost(failure) => Some(Err(failure.clone())),
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(())
    }
}

/// Makes `call` alone, by a `run` of a client, and tells what became of it.
pub fn single<F: FnMut(&ClientEvent) -> ControlFlow<()>>(
    call: Call<F>,
    outcome: &mut Option<Result<Summary, Failure>>,
) -> [Call<impl FnMut(&ClientEvent) -> ControlFlow<()>>; 1] {
    let Call { request, files, mut watch } = call;
    let watch = move |event: &ClientEvent| {
        if let ClientEvent::Finished { result, .. } = event {
            *outcome = Some(result.clone());
        }
        watch(event)
    };
    [Call { request, files, watch }]
}

/// Calls whose commands wait for their turn: as many as a server usually answers at once.
const AHEAD: usize = 256;
/// How long the server may take to confirm a cancel. It may be gone, or its disk may hang.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// Waits for the end of many calls.
pub struct Running<'a, I, F, W> {
    /// What is still to be asked for; `None` once there is no more.
    calls: Option<I>,
    /// What was asked for, by its number.
    asked: VecDeque<(RequestId, Watched<F>)>,
    files: Waiting,
    wake: Option<&'a W>,
    /// When all requests were cancelled.
    cancelled: Option<Duration>,
    /// Those whose watcher wants no more, before the machine knows.
    unwanted: Vec<RequestId>,
    ended: Option<Failure>,
}

struct Watched<F> {
    watch: F,
    stopped: bool,
}

impl<'a, I, F, W> Running<'a, I, F, W>
where
    I: Iterator<Item = Call<F>>,
    F: FnMut(&ClientEvent) -> ControlFlow<()>,
    W: Wake,
{
    /// All of `calls`, until they are over. If `wake` is raised, those that were made are cancelled, and no more are; a server that does not confirm it is not waited for.
    pub fn new(calls: I, files: Waiting, wake: Option<&'a W>) -> Self {
        Self {
            calls: Some(calls),
            asked: VecDeque::new(),
            files,
            wake,
            cancelled: None,
            unwanted: Vec::new(),
            ended: None,
        }
    }

    /// What ended it, unless all calls were made and came to their own end. What ended the loop ends each call that is still under way: nobody else would tell its watcher.
    pub fn outcome(mut self, driven: Result<(), DriveError>) -> Result<(), Failure> {
        if let Err(error) = driven {
            let failure = Failure::from(error);
            self.end_all(&failure);
            return Err(failure);
        }
        self.ended.map_or(Ok(()), Err)
    }

    fn end_all(&mut self, failure: &Failure) {
        for (id, Watched { mut watch, .. }) in self.asked.drain(..) {
            let _ = watch(&ClientEvent::Finished { id, result: Err(failure.clone()) });
        }
    }

    fn make_no_more(&mut self, because: &Failure) {
        if self.calls.take().is_some() {
            self.ended.get_or_insert_with(|| because.clone());
        }
    }

    fn position(&self, id: RequestId) -> Option<usize> {
        self.asked.binary_search_by_key(&id, |(asked, _)| *asked).ok()
    }

    fn finished(&mut self, id: RequestId, result: &Result<Summary, Failure>) {
        if self.cancelled.is_some() && *result == Err(Failure::Cancelled) {
            self.ended.get_or_insert(Failure::Cancelled);
        }
        self.files.take(id);
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.calls.is_none() && self.asked.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl<I, F, W> Owner<Machine> for Running<'_, I, F, W>
where
    I: Iterator<Item = Call<F>>,
    F: FnMut(&ClientEvent) -> ControlFlow<()>,
    W: Wake,
{
    type Wake = W;

    fn step_in(&mut self, machine: &mut Machine, now: Duration) -> ControlFlow<()> {
        if let Some(failure) = machine.failure() {
            self.make_no_more(failure);
        }
        if self.cancelled.is_none() && self.wake.is_some_and(W::is_raised) {
            self.cancelled = Some(now);
            self.make_no_more(&Failure::Cancelled);
            machine.cancel_all();
        }
        // Only a wait for the server is cut short, not its own last steps with a file.
        let waits = haul_core::Machine::deadline(machine).is_some();
        if waits && self.looks_again().is_some_and(|late| late <= now) {
            // The files are given up already. The next requests wait for what the server still has to say.
            self.ended.get_or_insert(Failure::Cancelled);
            self.end_all(&Failure::Cancelled);
            return ControlFlow::Break(());
        }
        for id in self.unwanted.drain(..) {
            machine.cancel(id);
        }
        while let Some(calls) = self.calls.as_mut().filter(|_| machine.waiting() < AHEAD) {
            let Some(Call { request, files, watch }) = calls.next() else {
                self.calls = None;
                break;
            };
            let id = machine.request(request);
            self.files.give(id, files);
            self.asked.push_back((id, Watched { watch, stopped: false }));
        }
        self.flow()
    }

    fn wake(&self) -> Option<&W> {
        self.wake.filter(|_| self.cancelled.is_none())
    }

    fn looks_again(&self) -> Option<Duration> {
        self.cancelled.map(|cancelled| cancelled + CONFIRMED_WITHIN)
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        if let ClientEvent::Lost(failure) = event {
            self.ended.get_or_insert_with(|| failure.clone());
        }
        // What a dropped future had asked for is nobody's any more.
        let Some((id, at)) = event.id().and_then(|id| Some((id, self.position(id)?))) else {
            return ControlFlow::Continue(());
        };
        if let ClientEvent::Finished { result, .. } = event {
            self.finished(id, result);
            if let Some((_, Watched { mut watch, .. })) = self.asked.remove(at) {
                // There is nothing left to break off.
                let _ = watch(event);
            }
            return self.flow();
        }
        let watched = &mut self.asked[at].1;
        if !watched.stopped && (watched.watch)(event).is_break() {
            watched.stopped = true;
            self.unwanted.push(id);
        }
        ControlFlow::Continue(())
    }
}

impl<I, F, W> fmt::Debug for Running<'_, I, F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("asked", &self.asked.len())
            .field("cancelled", &self.cancelled.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::ErrorKind;

    use haul_core::client::ClientConfig;
    use haul_store::FilesById;

    use super::*;
    use crate::wake::tests::Flag;

    /// Nobody else would say that they have ended.
    #[test]
    fn what_breaks_the_loop_is_told_to_all_that_wait() {
        let told = RefCell::new(Vec::new());
        let calls = (0..3).map(|_| Call {
            request: Request::Help,
            files: OwnFiles::Nothing,
            watch: |event: &ClientEvent| {
                if let ClientEvent::Finished { result, .. } = event {
                    told.borrow_mut().push(result.clone());
                }
                ControlFlow::Continue(())
            },
        });
        let mut running = Running::<_, _, Flag>::new(calls, FilesById::default().waiting(), None);
        let mut machine = Machine::new(ClientConfig::default());
        assert!(running.step_in(&mut machine, Duration::ZERO).is_continue());
        let broken = DriveError::Wait(ErrorKind::OutOfMemory.into());
        let Err(failure @ Failure::Local(_)) = running.outcome(Err(broken)) else {
            panic!("it was no failure of this side");
        };
        assert_eq!(told.into_inner(), vec![Err(failure); 3]);
    }
}
