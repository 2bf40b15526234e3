//! The three streams of a program, as handles that a test can replace.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use indicatif::ProgressBar;

use crate::descriptors;
use crate::error::Error;
use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The bar on the terminal. A process has one terminal and one bar.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The streams of a program.
pub struct Console {
    /// The input, if nothing has taken it yet.
    pub stdin: Input,
    /// Results and data.
    pub stdout: Stream,
    /// Errors, notes, progress and logs.
    pub stderr: Stream,
}

impl Console {
    /// The process's own streams.
    pub fn system() -> Self {
        let stdin = match descriptors::stdin_fault() {
            None => Input::new(descriptors::Stdin, io::stdin().is_terminal()),
            Some(fault) => Input::unusable(fault),
        };
        let stdout = match descriptors::stdout_fault() {
            None => Stream::new(descriptors::Stdout, io::stdout().is_terminal()),
            Some(fault) => Stream::unusable(fault),
        };
        Self { stdin, stdout, stderr: Stream::new(io::stderr(), io::stderr().is_terminal()) }
    }

    /// Prints an error in one line that begins with the program's name, and returns its exit code.
    pub(crate) fn report(&mut self, program: &str, color: ColorChoice, error: &Error) -> Exit {
        if !error.is_silent() {
            self.stderr.error(program, color, error);
        }
        error.exit()
    }
}

/// A stream to read.
pub struct Input {
    reader: Option<Box<dyn Read + Send>>,
    terminal: bool,
    fault: Option<&'static str>,
}

impl Input {
    /// Reads from `reader`; `terminal` says whether it is a terminal.
    pub fn new(reader: impl Read + Send + 'static, terminal: bool) -> Self {
        Self { reader: Some(Box::new(reader)), terminal, fault: None }
    }

    /// A stream that cannot be read. `why` is the error of each command that would read it.
    pub fn unusable(fault: &'static str) -> Self {
        Self { reader: None, terminal: false, fault: Some(fault) }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Fails if it cannot be read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let advice = "let it read a file or a pipe; < /dev/null gives it nothing to read";
        self.fault.map_or(Ok(()), |fault| Err(Error::new(Exit::Local, fault).advise(advice)))
    }

    /// Takes the stream. This succeeds once.
    pub(crate) fn take(&mut self) -> Option<Box<dyn Read + Send>> {
        self.reader.take()
    }
}

/// A stream to write, shared by its clones.
#[derive(Clone)]
pub struct Stream {
    shared: Arc<Shared>,
    terminal: bool,
    fault: Option<&'static str>,
}

struct Shared {
    writer: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
}

impl Stream {
    /// Writes to `writer`; `terminal` says whether it is a terminal.
    pub fn new(writer: impl Write + Send + 'static, terminal: bool) -> Self {
        let shared =
            Shared { writer: Mutex::new(Box::new(writer)), closed: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), terminal, fault: None }
    }

    /// A stream that cannot be written. `why` is the error of each command that would write to it.
    pub fn unusable(fault: &'static str) -> Self {
        Self { fault: Some(fault), ..Self::new(Unusable(fault), false) }
    }

    /// Fails if it cannot be written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let advice = "send it to a file or a pipe, or to /dev/null if nobody wants it";
        self.fault.map_or(Ok(()), |fault| Err(Error::new(Exit::Local, fault).advise(advice)))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether a write has found that the reader is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Whether to write in color.
    pub(crate) fn has_color(&self, choice: ColorChoice) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                self.terminal
                    && !anstyle_query::no_color()
                    && anstyle_query::term_supports_ansi_color()
            }
        }
    }

    /// `style` if the stream is written in color, otherwise no style.
    pub(crate) fn styled(&self, choice: ColorChoice, style: Style) -> Style {
        if self.has_color(choice) { style } else { Style::new() }
    }

    /// Writes an error, in one line that begins with the program's name.
    pub(crate) fn error(&mut self, program: &str, color: ColorChoice, error: &Error) {
        let style = self.styled(color, ERROR);
        // A failure to write it can be reported nowhere. The exit code still shows the error.
        let _ = self.line(format_args!("{style}{program}{style:#}: {error}"));
    }

    /// Writes one line and flushes.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        // One write, so that lines of several threads do not mix.
        self.write_all(format!("{line}\n").as_bytes())?;
        self.flush()
    }

    /// Writes the bar itself.
    pub(crate) fn draw(&self, text: &str) -> io::Result<()> {
        self.with_writer(|writer| {
            writer.write_all(text.as_bytes())?;
            writer.flush()
        })
    }

    /// On a terminal, keeps clear of the bar.
    fn with<T>(&self, call: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        if self.terminal { beside(|| self.with_writer(call)) } else { self.with_writer(call) }
    }

    fn with_writer<T>(&self, call: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let mut writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let result = call(&mut **writer);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.shared.closed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.with(|writer| writer.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|writer| writer.flush())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Sets the bar that is on the terminal.
pub(crate) fn show(bar: Option<ProgressBar>) {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Writes something on the terminal where the bar is. The bar is redrawn below.
pub(crate) fn beside<T>(write: impl FnOnce() -> T) -> T {
    let bar = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

struct Unusable(&'static str);

impl Write for Unusable {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other(self.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
