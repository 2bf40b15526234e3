//! `user check`: whether a user may do something, and why.

use clap::Args;
use haul_accounts::{AccountsFile, Decision, Place, explain};
use haul_core::account::{Right, UserName};
use serde::Serialize;

use super::values;
use crate::app::App;
use crate::commands::shell;
use crate::error::Error;
use crate::exit::Exit;
use crate::transport::Transport;

/// Say whether a user may do something, and which mount and right decide
///
/// The exit code is 0 for yes and 11 for no. Whether there is such a file is not looked at.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The user
    #[arg(value_name = "NAME")]
    user: UserName,
    /// What is done: a command such as get or UPLOAD, or a right
    ///
    /// What put, UPLOAD, cp, COPY, mv and MOVE do takes several rights. put and UPLOAD stand for a new name: ask about replace for a file that is there, and about mkdir for directories that are missing. cp, COPY, mv and MOVE stand for what is copied or moved: ask about put for the new name.
    #[arg(value_name = "VERB", value_parser = right)]
    right: Right,
    /// The name that the user would give
    #[arg(value_name = "PATH", value_parser = values::place)]
    path: Place,
}

/// The right that a verb of the protocol takes, or a command, or the right of this name.
fn right(word: &str) -> Result<Right, String> {
    let verb = shell::canonical(word);
    Ok(match verb.as_str() {
        "LIST" => Right::List,
        "DOWNLOAD" | "CHECKSUM" | "COPY" => Right::Get,
        "UPLOAD" => Right::Put,
        verb => Right::parse(&verb.to_ascii_lowercase()).ok_or_else(|| {
            String::from(
                "the verbs are ls, get, put, rm, mv, cp, mkdir and sum, those of the protocol, and rights such as replace",
            )
        })?,
    })
}

/// The answer, for programs.
#[derive(Debug, Serialize)]
struct DecisionRecord<'a> {
    user: &'a str,
    path: &'a str,
    allowed: bool,
    right: &'static str,
    /// The mount that decides, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mount: Option<String>,
    /// What the path is in the share.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
}

pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    file: &AccountsFile,
    args: &CheckArgs,
) -> Result<Exit, Error> {
    let CheckArgs { user, right, path } = args;
    let users = file.read()?;
    let account = users.accounts().get(user);
    let decision = explain(account.map(|account| &**account), *right, path);
    let (mount, place) = match &decision {
        Decision::Allowed { mount, place, .. } => (Some(mount), Some(place.as_str())),
        Decision::Refused { mount, .. } => (Some(mount), None),
        _ => (None, None),
    };
    let record = DecisionRecord {
        user: user.as_str(),
        path: path.as_str(),
        allowed: decision.is_allowed(),
        right: right.as_str(),
        mount: mount.map(|mount| Place::from(mount.at.clone()).as_str().to_owned()),
        place,
    };
    app.answer(&decision, &record)?;
    Ok(if decision.is_allowed() { Exit::Done } else { Exit::Unauthenticated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_takes_a_right() {
        for (words, expected) in [
            (&["list", "LIST", "ls", "dir"][..], Right::List),
            (&["get", "DOWNLOAD", "sum", "Checksum", "cp", "COPY"], Right::Get),
            (&["put", "upload"], Right::Put),
            (&["replace"], Right::Replace),
            (&["mkdir", "MKDIR"], Right::MakeDirectory),
            (&["rm", "del", "DELETE"], Right::Delete),
            (&["mv", "ren", "rename", "MOVE"], Right::Move),
        ] {
            for word in words {
                assert_eq!(right(word), Ok(expected), "{word}");
            }
        }
        for word in ["", "frobnicate", "HELP", "AUTH", "read"] {
            assert!(right(word).unwrap_err().contains("the verbs are ls"), "{word}");
        }
    }
}
