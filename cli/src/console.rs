//! The three streams of a program, as handles that a test can replace.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use haul_core::account::Secret;
use indicatif::ProgressBar;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::descriptors;
use crate::error::{self, Error};
use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The maximum number of bytes of a line that is read alone. No password is as long.
const MAX_LINE: usize = 4096;

/// The terminal before a password was asked for, while that is so.
static TERMINAL: Mutex<Option<Termios>> = Mutex::new(None);

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

    /// Whether there is a person to ask.
    pub(crate) fn can_ask(&self) -> bool {
        self.stdin.is_terminal() && self.stdin.reader.is_some() && self.stderr.is_terminal()
    }

    /// Asks a person, and returns the line that they type.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String, Error> {
        let asked = write!(self.stderr, "{question}").and_then(|()| self.stderr.flush());
        let answer = asked.and_then(|()| self.stdin.line());
        answer.map_err(|error| {
            Error::new(Exit::Local, format!("no answer: {}", error::plain(&error)))
        })
    }

    /// Reads a password from the first line of stdin.
    pub(crate) fn secret_from_stdin(&mut self) -> Result<Secret, Error> {
        self.stdin.check()?;
        let line = self.stdin.line().map_err(|error| {
            Error::new(Exit::Local, format!("cannot read stdin: {}", error::plain(&error)))
        })?;
        secret(line)
    }

    /// Prints an error in one line that begins with the program's name, and returns its exit code.
    pub(crate) fn report(&mut self, program: &str, color: ColorChoice, error: &Error) -> Exit {
        if !error.is_silent() {
            self.stderr.error(program, color, error);
        }
        error.exit()
    }
}

/// Asks a person for a password, which the terminal does not show.
pub(crate) fn ask_secret(question: &str) -> Result<Secret, Error> {
    *terminal() = tcgetattr(io::stdin()).ok();
    let typed = rpassword::prompt_password(question).map_err(|error| match error.kind() {
        // The signal that interrupted it has its last words elsewhere.
        io::ErrorKind::Interrupted => Error::new(Exit::Interrupted, "interrupted").silence(),
        _ => Error::new(Exit::Local, format!("no password: {}", error::plain(&error))),
    });
    *terminal() = None;
    secret(typed?)
}

/// Has the terminal show again what is typed, because the program ends while it asks for a password.
pub(crate) fn restore_terminal() {
    if let Some(before) = &*terminal() {
        // If it is gone, there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}

fn terminal() -> MutexGuard<'static, Option<Termios>> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A password that was typed.
fn secret(typed: String) -> Result<Secret, Error> {
    let bytes = Secret::MAX_BYTES;
    Secret::new(typed).ok_or_else(|| {
        Error::usage(format!("a password has 1 to {bytes} bytes, and no control characters"))
    })
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

    /// Reads a line without its end, and no byte after it.
    fn line(&mut self) -> io::Result<String> {
        let reader = self.reader.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        let mut byte = [0];
        while line.len() < MAX_LINE && reader.read(&mut byte)? == 1 && byte != *b"\n" {
            line.extend_from_slice(&byte);
        }
        let text = str::from_utf8(&line).map_err(io::Error::other)?;
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
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
