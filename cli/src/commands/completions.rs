//! `completions`: a script that lets a shell complete this program's commands and options.

use std::io;

use clap::Args;
use clap_complete::Shell;

use crate::app::App;
use crate::args;
use crate::error::Error;
use crate::runtime::Runtime;

/// Print a script for a shell that completes commands and options
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that reads it
    shell: Shell,
}

pub(crate) fn run<R: Runtime>(app: &mut App<'_, R>, args: &CompletionsArgs) -> Result<(), Error> {
    let mut script = Vec::new();
    let mut command = args::command(R::PROGRAM);
    clap_complete::generate(args.shell, &mut command, R::PROGRAM, &mut script);
    let mut stdout = app.console.stdout.clone();
    io::Write::write_all(&mut stdout, &script).map_err(|error| Error::output(&error))
}
