//! All that a person types and sees, shared by the HAUL programs.
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
//! `args` reads the command line; each command is a module under `commands` and works with an `App`: the [`Transport`], the settings, the [`Console`] and at most one
//! connection. `operands` tells names on the server, files here and the server itself apart. A command asks the [`Remote`] and prints results to stdout; what fails becomes one line on stderr (`error`) and an [`Exit`] code (`exit`). Names are
//! decided in `names`, which knows only what the person typed: nothing that a server says can choose a file here.
//!
//! # What a program promises
//!
//! - Results go to stdout, all else to stderr. With `--json` each result is one object on a line; with `--quiet` only what was asked for is printed, and errors.
//! - `get` and `put` end with a line or object for each file, when it is verified and has its name, and `rm`, `mv`, `cp` and `mkdir` for each name, when the server has confirmed it. `path` in JSON is the name on the server; `target` (of `get`) and `source`
//!   (of `put`) are names here, `-` for a stream.
//! - An error is one line that says what to do next. Text from a server is escaped and cut in it; nothing from a server reaches a terminal raw.
//! - A stdout that nobody reads any more ends the program with [`Exit::Local`] and without a word. A stdin or stdout that is closed or open in the wrong direction is an error
//!   before anything is done, if the command would use it; a server uses neither.
//! - What a recursive transfer, listing or deletion leaves out is named with its reason, also with `--quiet`, and makes the code [`Exit::Partial`].
//! - The codes are those of [`Exit`]; `--help` shows them.

mod address;
mod app;
mod args;
mod commands;
mod console;
mod descriptors;
mod error;
mod exit;
mod explain;
mod logs;
mod names;
mod number;
mod operands;
mod output;
mod program;
mod progress;
mod settings;
mod size;
mod transport;
mod unreachable;

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ColorChoice;
use signal_hook::consts::SIGXFSZ;
use tracing_subscriber::filter::LevelFilter;

pub use console::{Console, Input, Stream};
pub use exit::Exit;
pub use program::{BlockOn, Program, start_runtime};
pub use transport::{LastWords, Remote, ServeError, ServeOptions, Transport, Watch};

use app::App;
use args::{Cli, Command};
use error::Error;
use logs::Logs;

/// Runs the program of `transport` with the process's arguments and streams.
// By value, so that `main` of a program is one expression.
#[allow(clippy::needless_pass_by_value)]
pub fn main<T: Transport>(transport: T) -> ExitCode {
    // A write beyond the limit of `ulimit -f` shall be an error of that write; its signal would end the process.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        eprintln!("{}: {error}", T::PROGRAM);
        return Exit::Unexpected.into();
    }
    run(&transport, env::args_os(), Console::system()).into()
}

/// Runs the program of `transport`. The first of `args` is the program's own name. Logging is set up by the first call in a process.
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
        // An error comes after what was logged, and where nobody reads that there is nobody to tell.
        if logs.finish() { outcome } else { outcome.map_err(Error::silence) }
    });
    let exit = match outcome {
        Ok(Exit::Done) if app.incomplete => Exit::Partial,
        Ok(exit) => exit,
        Err(error) => app.report(&error),
    };
    if exit == Exit::Interrupted {
        // The session is cut off: a server that takes nothing must not hold the program up.
        return transport.signal().map_or(exit, Exit::by_signal);
    }
    app.say_goodbye();
    exit
}

fn prepare<T: Transport>(app: &App<'_, T>, cli: &Cli) -> Result<Logs, Error> {
    // Before anything is stored or brought: the report of it must not fail afterwards.
    if cli.command.reads_stdin() {
        app.console.stdin.check()?;
    }
    if cli.command.writes_stdout(cli.settings.quiet) {
        app.console.stdout.check()?;
    }
    let serving = matches!(cli.command, Command::Serve(_));
    if cli.command.asks_a_server() {
        listen_to_signals(app);
    }
    let usual = if serving { LevelFilter::INFO } else { LevelFilter::WARN };
    let level = logs::level(usual, cli.settings.verbose, cli.settings.quiet);
    Logs::start(T::PROGRAM, &app.console.stderr, level, cli.settings.color, serving)
}

/// Has a signal say that it ended the program also where no request runs that it could cancel.
fn listen_to_signals<T: Transport>(app: &App<'_, T>) {
    let (stderr, color) = (app.console.stderr.clone(), app.settings.color);
    let last_words = move || {
        let interrupted = Error::new(Exit::Interrupted, "interrupted");
        stderr.clone().error(T::PROGRAM, color, &interrupted);
    };
    // If it fails it is tried again by the first connection, which cannot be without.
    let _ = app.transport.listen_to_signals(Box::new(last_words));
}

/// Prints help or the version, or tells what is wrong with a command line.
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
