//! `man`: this program's manual in roff, for those who package it.

use std::io::Write;

use clap::Args;
use clap_mangen::Man;

use crate::app::App;
use crate::args;
use crate::error::Error;
use crate::runtime::Runtime;

/// Print the manual page of this program or of one of its commands, in roff
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The command; left out, the program itself
    command: Option<String>,
}

pub(crate) fn run<R: Runtime>(app: &mut App<'_, R>, args: &ManArgs) -> Result<(), Error> {
    let mut program = args::command(R::PROGRAM);
    program.build();
    let command = match &args.command {
        None => program,
        // The page is titled as it is called, `PROGRAM-COMMAND`, once the program is built.
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Error::usage(format!("{name}: no such command")))?,
    };
    let mut page = Vec::new();
    let mut stdout = app.console.stdout.clone();
    Man::new(command)
        .render(&mut page)
        .and_then(|()| stdout.write_all(&page))
        .map_err(|error| Error::output(&error))
}
