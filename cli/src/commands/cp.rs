//! `cp`: copies files on the server.

use clap::Args;
use haul_transport::call;

use super::from_to::{self, FromTo};
use super::requests::Asked;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;

/// Copy files on the server
///
/// The server copies the files, and their bytes do not cross the network. The line printed for a copy is the server's
/// receipt; until then its name shows the old file, if there was one. If TO is a directory or ends with /, FROM goes
/// into it under its own name. Directories are not copied.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct CpArgs {
    #[command(flatten)]
    pub(crate) from_to: FromTo,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &CpArgs) -> Result<Exit, Error> {
    let from_to = args.from_to.on_server(app)?;
    copy(app, &from_to)
}

/// Copies the named files on the chosen server.
pub(crate) fn copy<T: Transport>(app: &mut App<'_, T>, args: &FromTo) -> Result<Exit, Error> {
    from_to::all(app, args, |from, to, mode| Asked::new(from, call::copy(from, to, mode)))
}
