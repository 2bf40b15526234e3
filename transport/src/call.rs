//! What a client asks for, and the owner that waits for it.

use std::ops::ControlFlow;
use std::time::Duration;

use haul_core::RequestId;
use haul_core::client::{Client as Machine, ClientEvent, Failure, Progress, Request};
use haul_core::message::{Greeting, Summary};
use haul_core::{Depth, Entry, FilePath, Mode};
use haul_store::{OwnFiles, Source, Target};

use crate::{Owner, Wake};

/// A request, with the files that it needs and whoever watches it. A watcher that breaks cancels the request.
#[derive(Debug)]
pub struct Call<F> {
    /// What the server is asked.
    pub request: Request,
    /// Where payload comes from or goes to.
    pub files: OwnFiles,
    /// Told of each event.
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

/// Lists a directory or a file; `None` is the shared directory itself. Entries come in any order.
pub fn list(
    path: Option<&FilePath>,
    depth: Depth,
    mut on_entry: impl FnMut(&Entry) -> ControlFlow<()>,
) -> Call<impl FnMut(&ClientEvent) -> ControlFlow<()>> {
    Call {
        request: Request::List { path: path.cloned(), depth },
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

/// Waits for the end of a request.
#[derive(Debug)]
pub struct Running<'a, F, W> {
    id: RequestId,
    watch: F,
    wake: Option<&'a W>,
    /// The watcher wants no more.
    stopped: bool,
    /// The machine knows that the request is to end.
    cancelled: bool,
    outcome: Option<Result<Summary, Failure>>,
}

impl<'a, F, W> Running<'a, F, W> {
    /// The request `id`, until it is over. If `wake` is raised it is cancelled.
    pub fn new(id: RequestId, watch: F, wake: Option<&'a W>) -> Self {
        Self { id, watch, wake, stopped: false, cancelled: false, outcome: None }
    }

    /// What became of it.
    pub fn outcome(self) -> Result<Summary, Failure> {
        self.outcome.unwrap_or(Err(Failure::Ended))
    }
}

impl<F: FnMut(&ClientEvent) -> ControlFlow<()>, W: Wake> Owner<Machine> for Running<'_, F, W> {
    type Wake = W;

    fn step_in(&mut self, machine: &mut Machine, _: Duration) -> ControlFlow<()> {
        let wanted = self.stopped || self.wake.is_some_and(W::is_raised);
        if wanted && !self.cancelled {
            self.cancelled = true;
            machine.cancel(self.id);
        }
        ControlFlow::Continue(())
    }

    fn wake(&self) -> Option<&W> {
        self.wake.filter(|_| !self.cancelled)
    }

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        match event {
            ClientEvent::Finished { id, result } if *id == self.id => {
                self.outcome = Some(result.clone());
                return ControlFlow::Break(());
            }
            // Should the machine say no more of this request, this is what became of it.
            ClientEvent::Lost(failure) => self.outcome = Some(Err(failure.clone())),
            _ if self.stopped => {}
            event => self.stopped = (self.watch)(event).is_break(),
        }
        ControlFlow::Continue(())
    }
}
