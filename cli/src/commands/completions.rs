//! `completions`: a script with which a shell completes this program's commands and options.

use std::io;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// Print a script with which a shell completes commands and options
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that will read it
    shell: Shell,
}

/// Prints a script for `program`.
pub(crate) fn run<T: Transport>(
    app: &mut App<'_, T>,
    args: &CompletionsArgs,
    mut program: Command,
) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, T::PROGRAM, &mut script);
    let mut stdout = app.console.stdout.clone();
    io::Write::write_all(&mut stdout, &script).map_err(|error| Error::output(&error))
}
