//! The calls of a client, described once for all transports.

use std::ops::ControlFlow;

use haul_core::client::{ClientEvent, Failure, Progress, Request};
use haul_core::message::Summary;
use haul_core::{Depth, Entry, FilePath, Mode, Version};
use haul_store::{ClientFiles, Source, Target};

/// A request with its files and its watcher.
#[derive(Debug)]
pub struct Call<W> {
    /// The request to the server.
    pub request: Request,
    /// The source or target of payload.
    pub files: ClientFiles,
    /// Gets each event of the request.
    pub watch: W,
}

/// Watches a request. Any `FnMut(&ClientEvent) -> ControlFlow<()>` is a watcher; the output of a successful call is
/// then the server's summary.
pub trait Watch {
    /// The output of a successful request.
    type Output;

    /// Gets an event of the request. The last one is [`Finished`](ClientEvent::Finished); a break before it cancels the
    /// request.
    fn event(&mut self, event: &ClientEvent) -> ControlFlow<()>;

    /// Returns the output, because the request succeeded.
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

/// Which bytes to download, and how to write the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadOptions {
    /// The first byte, from the start of the file.
    pub offset: u64,
    /// The maximum number of bytes; `None` is all to the end.
    pub length: Option<u64>,
    /// Whether the target may replace an existing file.
    pub mode: Mode,
}

impl Default for DownloadOptions {
    /// The whole file, which replaces nothing.
    fn default() -> Self {
        Self { offset: 0, length: None, mode: Mode::Create }
    }
}

/// The extent of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOptions {
    /// The number of levels to list.
    pub depth: Depth,
    /// Whether to list omitted names too, as [`Entry::Omitted`]. If the server does not know this option, the summary
    /// has no count of them.
    pub omitted: bool,
}

impl Default for ListOptions {
    /// Only the directory's own entries.
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

/// Downloads a file into `target`. The target is created when the server starts to send, and gets its name only after
/// length and checksum were verified.
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

/// Uploads `source` as `path`. Success is the server's receipt: it has the bytes that were read here.
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

/// Gets the server's lines of help, which are the output. They are texts of the server, to be
/// [escaped](haul_core::Escaped) before they are shown.
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

/// Deletes a file or an empty directory. With `if_match` it must be a file of that version.
pub fn delete(path: &FilePath, if_match: Option<Version>) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Delete { path: path.clone(), if_match })
}

/// Creates a directory and its missing parents.
pub fn make_directory(path: &FilePath) -> Call<impl Watch<Output = Summary>> {
    plain(Request::MakeDirectory { path: path.clone() })
}

/// Renames a file or a directory.
pub fn rename(from: &FilePath, to: &FilePath, mode: Mode) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Move { from: from.clone(), to: to.clone(), mode, if_match: None })
}

/// Copies a file on the server. The summary has the size and the checksum of the copy.
pub fn copy(from: &FilePath, to: &FilePath, mode: Mode) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Copy { from: from.clone(), to: to.clone(), mode, if_match: None })
}

/// Gets the checksum of a file, computed on the server.
pub fn checksum(path: &FilePath) -> Call<impl Watch<Output = Summary>> {
    plain(Request::Checksum { path: path.clone(), offset: 0, length: None, if_match: None })
}

/// A call without payload, of which only the outcome matters.
fn plain(request: Request) -> Call<impl Watch<Output = Summary>> {
    let watch = |_: &ClientEvent| ControlFlow::Continue(());
    Call { request, files: ClientFiles::Nothing, watch }
}

/// Ends the session, and waits for the server's goodbye, for at most [`Timing::goodbye`](haul_core::Timing::goodbye).
/// All earlier calls are complete, even if this one fails.
pub fn exit() -> Call<impl Watch<Output = Summary>> {
    plain(Request::Exit)
}

/// Watches a single call that a client's `run` makes, for its outcome.
#[derive(Debug)]
pub struct SingleCall<W> {
    watch: W,
    outcome: Option<Result<Summary, Failure>>,
}

impl<W: Watch> SingleCall<W> {
    /// A call that has no outcome yet.
    pub fn new(watch: W) -> Self {
        Self { watch, outcome: None }
    }

    /// The watcher to pass to `run`.
    pub fn watch(&mut self) -> impl FnMut(&ClientEvent) -> ControlFlow<()> {
        |event: &ClientEvent| {
            if let ClientEvent::Finished { result, .. } = event {
                self.outcome = Some(result.clone());
            }
            self.watch.event(event)
        }
    }

    /// The outcome of the call, after `run` returned `ran`.
    ///
    /// # Errors
    /// Why the request failed, or why it was never made.
    pub fn outcome(self, ran: Result<(), Failure>) -> Result<W::Output, Failure> {
        let outcome = self.outcome.unwrap_or_else(|| Err(ran.err().unwrap_or(Failure::Ended)));
        outcome.map(|summary| self.watch.output(summary))
    }
}
