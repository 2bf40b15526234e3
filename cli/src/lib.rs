//! The command line of the HAUL programs.
//!
//! A program is its transport, as a [`Transport`], and this crate:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     haul_cli::main(Program::new(Threads))
//! }
//! ```
//!
//! # How it is built
//!
//! `args` parses the command line. Each command is a module under `commands` and works with an `App`: the
//! [`Transport`], the settings, the [`Console`] and at most one connection. `operands` tells names on the server, local
//! files and addresses apart. A command makes requests of the [`Remote`] and prints results to stdout; a failure
//! becomes one line on stderr (`error`) and an [`Exit`] code (`exit`). `names` decides names from what the person typed
//! alone: nothing that a server says can choose a local file.
//!
//! # What a program promises
//!
//! - Results go to stdout, everything else to stderr. With `--json` each result is one JSON object a line; with
//!   `--quiet` only requested output and errors are printed.
//! - `get` and `put` print a line or object for each file when it is verified and has its name; `rm`, `mv`, `cp` and
//!   `mkdir` print one for each name when the server has confirmed it. `path` in JSON is the name on the server;
//!   `target` (of `get`) and `source` (of `put`) are local names, `-` for a stream.
//! - An error is one line that says what to do next. It shows text from a server escaped and shortened; nothing from a
//!   server reaches a terminal unescaped.
//! - If the reader of stdout is gone, the program ends silently with [`Exit::Local`]. If the command would use a stdin
//!   or stdout that is closed or open in the wrong direction, the program fails before it does anything. A server uses
//!   neither.
//! - A recursive transfer, listing or deletion names everything that it leaves out, with the reason, also with
//!   `--quiet`. The code is then [`Exit::Partial`].
//! - The codes are those of [`Exit`]; `--help` shows them.

mod address;
mod app;
mod args;
mod commands;
mod connect;
mod console;
mod descriptors;
mod error;
mod exit;
mod explain;
mod identity;
mod logs;
mod names;
mod number;
mod operands;
mod output;
mod program;
mod progress;
mod settings;
mod size;
mod state;
mod transport;
mod trust;
mod unreachable;

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ColorChoice;
use signal_hook::consts::SIGXFSZ;
use tracing_subscriber::filter::LevelFilter;

pub use address::{AddressError, Scheme, ServerAddress};
pub use console::{Console, Input, Stream};
pub use exit::Exit;
pub use program::{BlockOn, Program, start_runtime};
pub use transport::{
    LastWords, ListenOn, Listening, Remote, ServeError, ServeOptions, Transport, Watch,
};

use app::App;
use args::{Cli, Command};
use error::Error;
use logs::Logs;

/// Runs the program of `transport` with the arguments and streams of the process.
// By value, so that a program's `main` is one expression.
#[allow(clippy::needless_pass_by_value)]
pub fn main<T: Transport>(transport: T) -> ExitCode {
    // A write beyond the limit of `ulimit -f` should fail. Its signal would end the process instead.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        eprintln!("{}: {error}", T::PROGRAM);
        return Exit::Unexpected.into();
    }
    run(&transport, env::args_os(), Console::system()).into()
}

/// Runs the program of `transport`. The first of `args` is the program's own name. The first call in a process sets up
/// logging.
pub fn run<T: Transport>(
    transport: &T,
    args: impl IntoIterator<Item = OsString>,
    mut console: Console,
) -> Exit {
    let cli = match args::parse(T::PROGRAM, args) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&mut console, T::PROGRAM, &error),
    };
    let mut app = App::new(transport, cli.settings.clone(), console);
    let outcome = prepare(&app, &cli).and_then(|logs| {
        let outcome = cli.command.run(&mut app);
        // The error comes after the log. If nobody reads the log, nobody reads the error.
        if logs.finish() { outcome } else { outcome.map_err(Error::silence) }
    });
    let exit = match outcome {
        Ok(Exit::Done) if app.incomplete => Exit::Partial,
        Ok(exit) => exit,
        Err(error) => app.report(&error),
    };
    if exit == Exit::Interrupted {
        // Drop the connection: a server that reads nothing must not delay the end.
        return transport.signal().map_or(exit, Exit::by_signal);
    }
    app.say_goodbye();
    exit
}

fn prepare<T: Transport>(app: &App<'_, T>, cli: &Cli) -> Result<Logs, Error> {
    // Check this before any transfer, because its report must not fail afterwards.
    if cli.command.reads_stdin() {
        app.console.stdin.check()?;
    }
    if cli.command.writes_stdout(cli.settings.quiet) {
        app.console.stdout.check()?;
    }
    let serving = matches!(cli.command, Command::Serve(_));
    if cli.command.may_wait() {
        listen_to_signals(app);
    }
    let usual = if serving { LevelFilter::INFO } else { LevelFilter::WARN };
    let level = logs::level(usual, cli.settings.verbose, cli.settings.quiet);
    Logs::start(T::PROGRAM, &app.console.stderr, level, cli.settings.color, serving)
}

/// Makes a signal print that it ended the program even while no request runs that it could cancel.
fn listen_to_signals<T: Transport>(app: &App<'_, T>) {
    let (stderr, color) = (app.console.stderr.clone(), app.settings.color);
    let last_words = move || {
        console::restore_terminal();
        let interrupted = Error::new(Exit::Interrupted, "interrupted");
        stderr.clone().error(T::PROGRAM, color, &interrupted);
    };
    // If this fails, the first connection tries again, and reports the error.
    let _ = app.transport.listen_to_signals(Box::new(last_words));
}

/// Prints help or the version, or the error of a wrong command line.
fn not_a_command(console: &mut Console, program: &str, error: &clap::Error) -> Exit {
    if !args::is_text(error) {
        return console.report(program, ColorChoice::Auto, &explain::explain(error));
    }
    let (stream, exit) = if error.use_stderr() {
        (&mut console.stderr, Exit::Usage)
    } else {
        (&mut console.stdout, Exit::Done)
    };
    let text = error.render();
    let text = if stream.has_color(ColorChoice::Auto) {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => exit,
        Err(error) => console.report(program, ColorChoice::Auto, &Error::output(&error)),
    }
}
