//! `ls`: lists a directory on the server.

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

/// The most memory for entries to sort and align, in bytes. A longer listing is printed unsorted, as it arrives.
const SORTED: usize = 32 << 20;
/// The size of a write where nobody watches, in bytes.
const BLOCK: usize = 64 << 10;
/// The digits of a size in a listing that is not aligned: enough for a terabyte.
const SIZE_WIDTH: usize = 12;
/// `2026-11-22T08:31:25Z`.
const TIME_WIDTH: usize = 20;

const DIRECTORY: Style = AnsiColor::Blue.on_default().bold();

/// List a directory on the server, or one file
///
/// Prints one name a line, as `get` accepts it; directories end with /. The names are sorted, unless they take more
/// than 32 MiB: then they are printed as they arrive. On a terminal, characters that could control it are shown as
/// \u{…}.
///
/// Anything left out is named on stderr with the reason, and makes the exit code 8. Names that begin with a dot, where
/// a server does not serve them, count only with -r.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// The directory or file, as a name or as a whole address, `haul://HOST/NAME` [default: the shared directory]
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// Show sizes in bytes and modification times in UTC
    #[arg(long, short)]
    long: bool,
    /// List the content of directories too
    #[arg(long, short)]
    recursive: bool,
    /// Print each entry as it arrives, in the order of the server's disk
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

/// Prints the content of `path`.
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
    // A server that does not name them reports their number.
    if let (None, Some(skipped @ 1..)) = (summary.omitted, summary.skipped) {
        let message =
            format!("{skipped} left out: their names on the server's disk cannot be sent");
        app.report(&Error::new(Exit::Partial, message));
        app.incomplete = true;
    }
    Ok(())
}

/// Why the rest of a listing is not printed.
enum Stop {
    Output(io::Error),
    Invented,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Entries to sort, and the memory that they take.
#[derive(Default)]
struct Held {
    entries: Vec<Entry>,
    bytes: usize,
}

/// The omissions of a listing. They are printed as they arrive, because their number is not bounded.
struct Gaps {
    program: &'static str,
    /// The content of directories is listed too.
    recursive: bool,
    quiet: bool,
    /// Part of what was requested is not listed.
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
    /// The directory that printed names are relative to.
    current: Option<FilePath>,
    out: BufWriter<Stream>,
}

impl Gaps {
    /// Prints on stderr what an entry says is left out.
    fn tell(&mut self, entry: &Entry) {
        let (name, what) = match entry {
            // Every listing that is not recursive leaves these out.
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
    /// Keeps `entry` while there is room among the `held`; otherwise prints them and it.
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
        // A person sees each line at once; a program gets blocks.
        if self.terminal {
            self.out.flush()?;
        }
        Ok(())
    }

    /// Prints what was held, sorted and aligned, and flushes. Returns whether something was left out.
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
            // Programs need the exact name, and it has no line break.
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
