//! The kind of a name on the server.

use std::ops::ControlFlow;

use haul_core::client::ClientEvent;
use haul_core::{Entry, ErrorCode, FilePath};
use haul_transport::{Call, ListOptions, Watch, call};

use super::requests;
use crate::app::App;
use crate::error::Error;
use crate::transport::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// Nothing, or something that the server does not serve.
    Missing,
}

/// Asks what `path` is; `None` is the shared directory. Links are followed.
pub(crate) fn kind<T: Transport>(
    app: &mut App<'_, T>,
    path: Option<&FilePath>,
) -> Result<Kind, Error> {
    let Some(path) = path else { return Ok(Kind::Directory) };
    let (mut kind, mut refused) = (None, None);
    // The first entry is enough.
    let take = |entry: &Entry| {
        let is_file = matches!(entry, Entry::File { path: listed, .. } if listed == path);
        kind = Some(if is_file { Kind::File } else { Kind::Directory });
        ControlFlow::Break(())
    };
    let Call { request, files, mut watch } = call::list(Some(path), ListOptions::default(), take);
    let watching = |event: &ClientEvent| {
        if let ClientEvent::Finished { result: Err(failure), .. } = event {
            refused = requests::code(failure);
        }
        watch.event(event)
    };
    let listed = app.request(path.as_str(), Call { request, files, watch: watching });
    drop(watch);
    match (kind, refused, listed) {
        (Some(kind), ..) => Ok(kind),
        (None, _, Ok(_)) => Ok(Kind::Directory),
        (None, Some(ErrorCode::NotFound | ErrorCode::NotAFile), _) => Ok(Kind::Missing),
        (None, _, Err(error)) => Err(error),
    }
}
