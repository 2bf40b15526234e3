//! Whether a refusal is true.

use haul_core::{ErrorCode, FilePath};

use crate::client::Asked;
use crate::fault::Fault;
use crate::history::State;
use crate::oracle::{Oracle, is_below};
use crate::plan::{Plan, What, path};

impl Fault {
    /// The code that a client is told of it by, if it is told.
    fn code(self) -> Option<ErrorCode> {
        Some(match self {
            Self::OpenFails | Self::DeleteFails => ErrorCode::Denied,
            Self::CreateFails | Self::WriteNoSpace | Self::CopyFails | Self::MakeDirectoryFails => {
                ErrorCode::NoSpace
            }
            Self::ListFails
            | Self::NextEntriesFails
            | Self::ReadFails
            | Self::FinishFails
            | Self::WriteFails
            | Self::SyncFails
            | Self::PublishFails => ErrorCode::Io,
            Self::MoveFails => ErrorCode::NotSupported,
            Self::PublishExists => ErrorCode::Exists,
            Self::FinishChanged => ErrorCode::Changed,
            Self::SyncDirectoryFails => ErrorCode::OutcomeUnknown,
            _ => return None,
        })
    }
}

/// Whether a fault, or what was there since the client asked, explains that the session `at` was refused with `code`.
pub(super) fn is_explained(
    plan: &Plan,
    at: usize,
    oracle: &Oracle,
    asked: &Asked,
    code: ErrorCode,
) -> bool {
    let mut faults = plan.faults.iter();
    let is_fault = faults.any(|planned| {
        let by_session = planned.session == at && planned.fault.code() == Some(code);
        by_session || (code == ErrorCode::Changed && planned.fault.waits_for_a_reader())
    });
    if is_fault {
        return true;
    }
    let was =
        |path: &FilePath, fits: &dyn Fn(State) -> bool| oracle.states(path, &asked.since).any(fits);
    let is_file = |state: State| state.content().is_some();
    let is_directory = |state| state == State::Directory;
    let was_below_file = |path: &FilePath| {
        let mut parents = std::iter::successors(path.parent(), FilePath::parent);
        parents.any(|parent| was(&parent, &is_file))
    };
    // What is read, moved or deleted, and what is made or replaced.
    let (from, to, create, offset) = match asked.what {
        What::List { .. } | What::Help => (None, None, false, 0),
        What::Download { name, offset, .. } | What::Checksum { name, offset, .. } => {
            (Some(path(name)), None, false, offset)
        }
        What::Upload { name, create, .. } => (None, Some(path(name)), create, 0),
        What::Delete { name, .. } => (Some(path(name)), None, false, 0),
        What::MakeDirectory { name } => (None, Some(path(name)), true, 0),
        What::Move { from, to, create, .. } | What::Copy { from, to, create, .. } => {
            (Some(path(from)), Some(path(to)), create, 0)
        }
    };
    let (from, to) = (from.as_ref(), to.as_ref());
    // What must have the version that was asked for.
    let matched = from.or(to);
    let moves = matches!(asked.what, What::Move { .. });
    let has_names = matches!(asked.what, What::Move { .. } | What::Delete { .. });
    match code {
        ErrorCode::NotFound => {
            let source = from.or(to.filter(|_| asked.if_match.is_some()));
            source.is_some_and(|path| was(path, &|state| state == State::Nothing))
        }
        ErrorCode::Exists => {
            create && to.is_some_and(|path| was(path, &|state| state != State::Nothing))
        }
        ErrorCode::IsDirectory => {
            let read = from.filter(|_| !has_names);
            [read, to].into_iter().flatten().any(|path| was(path, &is_directory))
        }
        ErrorCode::NotAFile => {
            let directory = moves && from.is_some_and(|path| was(path, &is_directory));
            [from, to].into_iter().flatten().any(was_below_file)
                || (directory && to.is_some_and(|path| was(path, &is_file)))
        }
        ErrorCode::NotEmpty => {
            matches!(asked.what, What::Delete { .. })
                && from.is_some_and(|path| was(path, &is_directory))
        }
        ErrorCode::BadArgument => from
            .zip(to)
            .is_some_and(|(from, to)| moves && is_below(to, from) && was(from, &is_directory)),
        ErrorCode::BadRange => from.is_some_and(|path| {
            let is_short = |content| (oracle.data(content).len() as u64) < offset;
            was(path, &|state| state.content().is_some_and(is_short))
        }),
        ErrorCode::Changed => {
            asked.if_match.is_some()
                && matched.is_some_and(|path| was(path, &|state| state.version() != asked.if_match))
        }
        ErrorCode::Aborted => plan.sessions[at].tasks.iter().any(|task| task.cancel.is_some()),
        _ => false,
    }
}
