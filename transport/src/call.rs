//! What a client asks for: each kind of call, described once for all transports.

use std::ops::ControlFlow;

use haul_core::client::{ClientEvent, Failure, Progress, Request};
use haul_core::message::Summary;
use haul_core::{Depth, Entry, FilePath, Mode, Version};
use haul_store::{ClientFiles, Source, Target};

/// A request, with the files that it needs and whoever watches it.
#[derive(Debug)]
pub struct Call<W> {
    /// What the server is asked.
    pub request: Request,
    /// Where payload comes from or goes to.
    pub files: ClientFiles,
    /// Told of each event of the request.
    pub watch: W,
}

/// Who watches a request. Any `FnMut(&ClientEvent) -> ControlFlow<()>` does; then a success gives the server's summary.
pub trait Watch {
    /// What a request that succeeds gives.
    type Output;

    /// Something happened to the request. The last event is [`Finished`](ClientEvent::Finished); a break before cancels
    /// the request.
    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()>;

    /// It succeeded.
    fn output(self, summary: Summary) -> Self::Output;
}

impl<F: FnMut(&ClientEvent) -> ControlFlow<()>> Watch for F {
    type Output = Summary;

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        self(event)
    }

    fn output(self, summary: Summary) -> Summary {
        summary
    }
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
    /// Whether to name what it leaves out, too, by [`Entry::Omitted`]. If the server does not know how to, the summary
    /// has no count of it.
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
) -> Call<impl Watch<Output = Summary>> {
    let ListOptions { depth, omitted } = options;
    Call {
        request: Request::List { path: path.cloned(), depth, omitted },
        files: ClientFiles::Nothing,
        watch: move |event: &ClientEvent| match event {
            ClientEvent::Entry { entry, .. } => on_entry(entry),
            _ => ControlFlow::Continue(()),
        },
    }
}

/// Fetches a file into `target`, which is begun when the server begins to send, and gets its name only when length and
/// checksum were found right.
pub fn download(
    path: &FilePath,
    options: DownloadOptions,
    target: Box<dyn Target>,
    on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl Watch<Output = Summary>> {
    let DownloadOptions { offset, length, mode } = options;
    let path = path.clone();
    transfer(
        Request::Download { path, offset, length, mode, if_match: None },
        ClientFiles::Target(target),
        on_progress,
    )
}

/// Stores `source` under `path`. Success is the server's receipt: what it has is what was read here.
pub fn upload(
    path: &FilePath,
    mode: Mode,
    source: Box<dyn Source>,
    on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl Watch<Output = Summary>> {
    let path = path.clone();
    transfer(
        Request::Upload { path, mode, if_match: None },
        ClientFiles::Source(source),
        on_progress,
    )
}

fn transfer(
    request: Request,
    files: ClientFiles,
    mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Call<impl Watch<Output = Summary>> {
    let watch = move |event: &ClientEvent| match event {
        ClientEvent::Sending { sending, .. } => {
            on_progress(Progress { bytes: 0, total: Some(sending.length) })
        }
        ClientEvent::Progress { progress, .. } => on_progress(*progress),
        _ => ControlFlow::Continue(()),
    };
    Call { request, files, watch }
}

/// Asks for the server's lines of help, which are the output: its text, to be [escaped](haul_core::Escaped) before it
/// is shown.
pub fn help() -> Call<impl Watch<Output = Vec<String>>> {
    Call { request: Request::Help, files: ClientFiles::Nothing, watch: Lines(Vec::new()) }
}

/// Collects lines of help.
struct Lines(Vec<String>);

impl Watch for Lines {
    type Output = Vec<String>;

    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()> {
        if let ClientEvent::Info { text, .. } = event {
            self.0.push(text.clone());
        }
        ControlFlow::Continue(())
    }

    fn output(self, _: Summary) -> Vec<String> {
        self.0
    }
}

/// Removes a file or an empty directory. With `if_match` it must be a file of that version.
pub fn delete(path: &FilePath, if_match: Option<Version>) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Delete { path: path.clone(), if_match })
}

/// Makes a directory, and the parents that it lacks.
pub fn make_directory(path: &FilePath) -> Call<impl Watch<Output = Summary>> {
    plain(Request::MakeDirectory { path: path.clone() })
}

/// Gives a file or a directory another name.
pub fn rename(from: &FilePath, to: &FilePath, mode: Mode) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Move { from: from.clone(), to: to.clone(), mode, if_match: None })
}

/// Copies a file on the server. The summary has the size and the checksum of the copy.
pub fn copy(from: &FilePath, to: &FilePath, mode: Mode) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Copy { from: from.clone(), to: to.clone(), mode, if_match: None })
}

/// Asks for the checksum of a file as the server has it.
pub fn checksum(path: &FilePath) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Checksum { path: path.clone(), offset: 0, length: None, if_match: None })
}

/// A call that moves no payload, and of which only the outcome is of interest.
fn plain(request: Request) -> Call<impl Watch<Output = Summary>> {
    let watch = |_: &ClientEvent| ControlFlow::Continue(());
    Call { request, files: ClientFiles::Nothing, watch }
}

/// Ends the session, and waits for the server's goodbye, for [`Timing::goodbye`](haul_core::Timing::goodbye) at most.
/// All that came before is done, whatever comes of this.
pub fn exit() -> Call<impl Watch<Output = Summary>> {
    plain(Request::Exit)
}

/// A call that is made alone, by a `run` of a client, for its outcome.
#[derive(Debug)]
pub struct SingleCall<W> {
    watch: W,
    outcome: Option<Result<Summary, Failure>>,
}

impl<W: Watch> SingleCall<W> {
    /// Nothing has happened yet.
    pub fn new(watch: W) -> Self {
        Self { watch, outcome: None }
    }

    /// What is to watch in its place.
    pub fn watch(&mut self) -> impl FnMut(&ClientEvent) -> ControlFlow<()> {
        |event: &ClientEvent| {
            if let ClientEvent::Finished { result, .. } = event {
                self.outcome = Some(result.clone());
            }
            self.watch.event(event)
        }
    }

    /// What became of it, after a `run` that ended so.
    pub fn outcome(self, ran: Result<(), Failure>) -> Result<W::Output, Failure> {
        let outcome = self.outcome.unwrap_or_else(|| Err(ran.err().unwrap_or(Failure::Ended)));
        outcome.map(|summary| self.watch.output(summary))
    }
}
