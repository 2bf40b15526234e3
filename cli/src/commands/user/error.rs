//! What is said when accounts cannot be read or changed.

use std::io::ErrorKind;

use haul_accounts::AccountsError;

use crate::error::{self, Error};
use crate::exit::Exit;

impl From<AccountsError> for Error {
    fn from(error: AccountsError) -> Self {
        let (exit, advice) = match &error {
            AccountsError::Io { doing, path, source } => return io(doing, path, source),
            AccountsError::NoAccount(_) => {
                (Exit::Local, "user list shows the accounts; --state names those of another server")
            }
            AccountsError::AccountExists(_) => {
                (Exit::Local, "user show shows it; user passwd and user grant change it")
            }
            AccountsError::Anonymous => (Exit::Usage, "choose another name"),
            AccountsError::NoMount { .. } => (Exit::Local, "user show shows the mounts"),
            AccountsError::NoKey { .. } => (Exit::Local, "user show shows the keys"),
            AccountsError::KeyTaken { .. } => (Exit::Local, "user key remove takes it from there"),
            AccountsError::QuotaTooLarge | AccountsError::BadComment => {
                (Exit::Usage, "nothing was changed")
            }
            AccountsError::Format { .. } => (Exit::Local, "mend that line; nothing was changed"),
            AccountsError::NotAFile { .. } => (Exit::Local, "put the right file there"),
            // They say it themselves.
            AccountsError::Owner { .. }
            | AccountsError::Mode { .. }
            | AccountsError::Gone { .. } => {
                return Self::new(Exit::Local, error.to_string());
            }
            AccountsError::CannotHash => (Exit::Local, "a password takes 19 MiB"),
            _ => return Self::new(Exit::Unexpected, error.to_string()),
        };
        Self::new(exit, error.to_string()).advise(advice)
    }
}

fn io(doing: &str, path: &std::path::Path, source: &std::io::Error) -> Error {
    let message = format!("cannot {doing} {}: {}", path.display(), error::plain(source));
    // The directory is synced when the new file has the name of the old one.
    if doing == "sync" {
        return Error::new(Exit::OutcomeUnknown, message).advise("it is done all the same");
    }
    let advice = match source.kind() {
        ErrorKind::PermissionDenied => {
            "run this as the user who runs the server; --state names another directory"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room; nothing was changed",
        _ => "nothing was changed; --state names another directory",
    };
    Error::new(Exit::Local, message).advise(advice)
}
