//! Lists everything below a directory on the server.

use std::ops::ControlFlow;

use haul_core::client::Failure;
use haul_core::{Depth, Entry, FilePath};
use haul_transport::{ListOptions, call};

use crate::app::App;
use crate::error::Error;
use crate::names;
use crate::transport::Transport;

/// Lists everything below `path`, or the file that it is; `None` is the shared directory. An error of `take` ends the
/// listing, and so does a name that lies elsewhere.
///
/// Returns the number of omitted names, from a server that counts them without naming them.
pub(super) fn list_all<T: Transport>(
    app: &mut App<'_, T>,
    path: Option<&FilePath>,
    mut take: impl FnMut(&Entry) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut stopped = None;
    let watch = |entry: &Entry| {
        let taken = if is_within(path, entry) { take(entry) } else { Err(elsewhere(path)) };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    let options = ListOptions { depth: Depth::All, omitted: true };
    let listed = app.request(subject(path), call::list(path, options, watch));
    if let Some(error) = stopped {
        return Err(error);
    }
    let summary = listed?;
    Ok(if summary.omitted.is_some() { 0 } else { summary.skipped.unwrap_or_default() })
}

/// The error for a server that lists a name outside of the requested directory.
pub(super) fn elsewhere(path: Option<&FilePath>) -> Error {
    let failure = Failure::Violation("it listed a name that lies elsewhere");
    Error::request(subject(path), &failure)
}

fn subject(path: Option<&FilePath>) -> &str {
    path.map_or("/", FilePath::as_str)
}

fn is_within(path: Option<&FilePath>, entry: &Entry) -> bool {
    match (path, entry.path()) {
        (Some(path), Some(listed)) if listed == path => matches!(entry, Entry::File { .. }),
        (Some(_), Some(listed)) => names::relative(path, listed).is_some(),
        _ => true,
    }
}
