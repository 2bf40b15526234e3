//! `mv`: renames files and directories on the server.

use clap::Args;
use haul_transport::call;

use super::from_to::{self, FromTo};
use super::requests::Asked;
use crate::app::App;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;

/// Move or rename files and directories on the server
///
/// Each move is atomic: others see the file under the old name or under the new one. An existing file is replaced, a
/// directory never is. If TO is a directory or ends with /, FROM goes into it under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct MvArgs {
    #[command(flatten)]
    pub(crate) from_to: FromTo,
}

pub(crate) fn run<T: Transport>(app: &mut App<'_, T>, args: &MvArgs) -> Result<Exit, Error> {
    let from_to = args.from_to.on_server(app)?;
    rename(app, &from_to)
}

/// Moves the named files and directories on the chosen server.
pub(crate) fn rename<T: Transport>(app: &mut App<'_, T>, args: &FromTo) -> Result<Exit, Error> {
    from_to::all(app, args, |from, to, mode| Asked::new(from, call::rename(from, to, mode)))
}
