//! `man`: this program's manual in roff, for packagers.

use std::io::Write;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

/// Print the manual page of this program or of one of its commands, in roff
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The command, such as `get` or `user add` [default: the program itself]
    command: Vec<String>,
}

/// Prints the page of `program`, or of a command of it.
pub(crate) fn run<T: Transport>(
    app: &mut App<'_, T>,
    args: &ManArgs,
    mut program: Command,
) -> Result<(), Error> {
    program.build();
    // Once the program is built, clap titles the page `PROGRAM-COMMAND`.
    let command = args.command.iter().try_fold(program, |command, name| {
        let found = command.find_subcommand(name).cloned();
        found.ok_or_else(|| Error::usage(format!("{name}: no such command")))
    })?;
    let mut page = Vec::new();
    let mut stdout = app.console.stdout.clone();
    Man::new(command)
        .render(&mut page)
        .and_then(|()| stdout.write_all(&page))
        .map_err(|error| Error::output(&error))
}
