//! `ls`: what is in a directory on the server.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use anstyle::{AnsiColor, Style};
use clap::Args;
use haul_core::client::Failure;
use haul_core::message::Omission;
use haul_core::{Depth, Entry, ErrorCode, Escaped, FilePath, Timestamp};
use haul_transport::{ListOptions, call};

use crate::app::App;
use crate::console::Stream;
use crate::error::Error;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, EntryRecord};
use crate::transport::Transport;

/// The most memory for entries that are kept to be sorted and aligned; a longer listing is printed as it comes.
const SORTED: usize = 32 << 20;
/// What is written at once where nobody watches.
const BLOCK: usize = 64 << 10;
/// Digits of a size in a listing that is not aligned: up to a terabyte.
const SIZE_WIDTH: usize = 12;
/// `2026-11-22T08:31:25Z`.
const TIME_WIDTH: usize = 20;

const DIRECTORY: Style = AnsiColor::Blue.on_default().bold();

/// List a directory of the server, or one file
///
/// One name a line, a directory's with a / behind it, each as `get` takes it. Sorted by name, unless there are more than 32 MiB of them: these are printed as they come.
/// On a terminal, characters that could act on it are shown as \u{…}.
///
/// What the listing leaves out is named on stderr with its reason, and makes the exit code 8. Names that begin with a dot, where a server does not serve them, count only with -r.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// What to list, by its name on the server or its whole address, `haul://HOST/NAME` [default: all that is shared]
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// Show sizes in bytes and times of modification in UTC
    #[arg(long, short)]
    long: bool,
    /// List what is in the directories too
    #[arg(long, short)]
    recursive: bool,
    /// Print each entry as it comes, in the order of the server's disk
    #[arg(long, short)]
    unsorted: bool,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &LsArgs) -> Result<(), Error> {
    let name = app.name_on_server(args.path.as_deref())?;
    let path = names::place(app.base(), name.as_deref())?;
    let depth = if args.recursive { Depth::All } else { Depth::ONE };
    list(app, path.as_ref(), depth, How { long: args.long, unsorted: args.unsorted })
}

/// How a listing is printed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) long: bool,
    pub(crate) unsorted: bool,
}

/// Prints what is in `path`.
pub(crate) fn list<T: Transport>(
    app: &mut App<'_, T>,
    path: Option<&FilePath>,
    depth: Depth,
    how: How,
) -> Result<(), Error> {
    let stdout = &app.console.stdout;
    let mut printer = Printer {
        gaps: Gaps {
            program: T::PROGRAM,
            recursive: depth != Depth::ONE,
            quiet: app.settings.quiet,
            found: false,
            err: app.console.stderr.clone(),
        },
        terminal: stdout.is_terminal(),
        json: app.settings.json,
        long: how.long,
        directory: stdout.styled(app.settings.color, DIRECTORY),
        base: app.base().cloned(),
        current: app.directory.clone(),
        out: BufWriter::with_capacity(BLOCK, stdout.clone()),
    };
    let mut held = (!how.unsorted).then(Held::default);
    let mut stopped = None;
    let subject = path.map_or("/", FilePath::as_str);
    let print = |entry: &Entry| match printer.take(&mut held, entry) {
        Ok(()) => ControlFlow::Continue(()),
        Err(why) => {
            stopped = Some(why);
            ControlFlow::Break(())
        }
    };
    let options = ListOptions { depth, omitted: true };
    let listed = app.request(subject, call::list(path, options, print));
    match stopped {
        Some(Stop::Output(error)) => return Err(Error::output(&error)),
        Some(Stop::Invented) => {
            return Err(Error::request(
                subject,
                &Failure::Violation("it listed a name that lies elsewhere"),
            ));
        }
        None => {}
    }
    let summary = listed?;
    let whole = held.is_some();
    let left_out = printer.finish(held).map_err(|error| Error::output(&error))?;
    if !whole && !how.unsorted {
        app.note("so many names that they were not sorted");
    }
    app.incomplete |= left_out;
    // A server that does not name them counts them.
    if let (None, Some(skipped @ 1..)) = (summary.omitted, summary.skipped) {
        let message =
            format!("{skipped} left out: their names on the server's disk cannot be sent");
        app.report(&Error::new(Exit::Partial, message));
        app.incomplete = true;
    }
    Ok(())
}

/// Why a listing is not printed to its end.
enum Stop {
    Output(io::Error),
    Invented,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Entries to be sorted, and the memory that they take.
#[derive(Default)]
struct Held {
    entries: Vec<Entry>,
    bytes: usize,
}

/// What a listing leaves out, which is told as it comes: there is no end to what a server may leave out.
struct Gaps {
    program: &'static str,
    /// What is in the directories of a listing is to be listed too.
    recursive: bool,
    quiet: bool,
    /// Something that was asked for is not listed.
    found: bool,
    err: Stream,
}

struct Printer {
    gaps: Gaps,
    terminal: bool,
    json: bool,
    long: bool,
    directory: Style,
    base: Option<FilePath>,
    /// Where printed names start.
    current: Option<FilePath>,
    out: BufWriter<Stream>,
}

impl Gaps {
    /// Says on stderr what is left out by an entry.
    fn tell(&mut self, entry: &Entry) {
        let (name, what) = match entry {
            // Every listing of one directory leaves these out.
            Entry::Omitted { reason: Omission::Hidden, .. } if !self.recursive => return,
            Entry::Omitted { shown, reason } => {
                // The server has escaped it once already.
                let shown = Escaped::new(shown).to_string().replace(r"\\", r"\");
                (shown, format!("left out: {}", output::left_out(*reason)))
            }
            Entry::Directory { path, error: Some(error), .. } if self.recursive => {
                let why = match error {
                    ErrorCode::Denied => "the server may not read it",
                    _ => "the server's storage failed",
                };
                (path.escaped().to_string(), format!("what is in it is left out: {why}"))
            }
            Entry::Directory { path, link: true, .. } if self.recursive && !self.quiet => {
                let note = "a link to a directory, which is listed only by its own name";
                let _ = self.err.line(format_args!("{}: {}: {note}", self.program, path.escaped()));
                return;
            }
            Entry::File { .. } | Entry::Directory { .. } => return,
        };
        self.found = true;
        let _ = self.err.line(format_args!("{}: {name}: {what}", self.program));
    }
}

impl Printer {
    /// Keeps `entry` as long as there is room among the `held`, else prints it and them.
    fn take(&mut self, held: &mut Option<Held>, entry: &Entry) -> Result<(), Stop> {
        let Some(path) = entry.path() else {
            self.gaps.tell(entry);
            return Ok(());
        };
        if names::relative(self.base.as_ref(), path).is_none() {
            return Err(Stop::Invented);
        }
        self.gaps.tell(entry);
        if let Some(Held { entries, bytes }) = held {
            *bytes += size_of::<Entry>() + path.as_str().len();
            if *bytes < SORTED {
                entries.push(entry.clone());
                return Ok(());
            }
            for entry in held.take().unwrap_or_default().entries {
                self.print(&entry, SIZE_WIDTH)?;
            }
        }
        self.print(entry, SIZE_WIDTH)?;
        // A person sees each line at once; programs take them in blocks.
        if self.terminal {
            self.out.flush()?;
        }
        Ok(())
    }

    /// Prints what was held, sorted and aligned, and brings all out. Whether something was left out.
    fn finish(mut self, held: Option<Held>) -> io::Result<bool> {
        let Held { mut entries, .. } = held.unwrap_or_default();
        entries.sort_unstable_by(|a, b| a.path().cmp(&b.path()));
        let width = entries.iter().map(size_width).max().unwrap_or_default();
        for entry in &entries {
            self.print(entry, width)?;
        }
        self.out.flush()?;
        Ok(self.gaps.found)
    }

    fn print(&mut self, entry: &Entry, size_width: usize) -> io::Result<()> {
        let Some(path) = entry.path() else { return Ok(()) };
        let path = &*names::written(self.base.as_ref(), self.current.as_ref(), path);
        if self.json {
            let line = output::json(&EntryRecord::new(path, entry), self.terminal)?;
            return writeln!(self.out, "{line}");
        }
        let (style, slash) = match entry {
            Entry::Directory { .. } => (self.directory, "/"),
            Entry::File { .. } | Entry::Omitted { .. } => (Style::new(), ""),
        };
        if self.long {
            if let Entry::File { size, modified, .. } = entry {
                let modified = Timestamp::new(modified.seconds(), 0).unwrap_or(*modified);
                write!(self.out, "{size:>size_width$}  {modified}  ")?;
            } else {
                write!(self.out, "{:>size_width$}  {:TIME_WIDTH$}  ", "-", "-")?;
            }
        }
        if self.terminal {
            writeln!(self.out, "{style}{}{style:#}{slash}", Escaped::new(path))
        } else {
            // Programs want the name itself, and it has no line break.
            writeln!(self.out, "{style}{path}{style:#}{slash}")
        }
    }
}

fn size_width(entry: &Entry) -> usize {
    match entry {
        Entry::File { size, .. } => size.checked_ilog10().unwrap_or(0) as usize + 1,
        Entry::Directory { .. } | Entry::Omitted { .. } => 1,
    }
}
