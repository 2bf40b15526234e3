//! What the grammars of all verbs have in common.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use core::fmt;

use bytes::BytesMut;

use super::server_exchange::{Exchange, Handles};
use crate::effect::RequestId;
use crate::error::ErrorCode;
use crate::message::encode::{append, option};
use crate::message::{LineError, Mode};
use crate::name::FilePath;
use crate::version::Version;
use crate::wire::words::{Quoted, Word, WordError, Words, parse_number};

/// What a command changes, and when others see it. A command that only changes something may be committed with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    /// It changes nothing, or does more than a change.
    Nothing,
    /// The change is visible as soon as the store has made it.
    AtOnce,
    /// A file is staged, and becomes visible when the commit publishes it.
    AtCommit,
}

/// The properties of a verb.
pub(super) trait Verb: Clone {
    /// The verb in upper case, followed by its other names.
    const NAMES: &'static [&'static str];
    /// Its line of HELP.
    const HELP: &'static str;
    /// Whether the command may have a body.
    const HAS_BODY: bool = false;
    /// Whether a client that has to be identified may send it only after that.
    const NEEDS_IDENTITY: bool = true;
    /// What it changes.
    const CHANGES: Changes = Changes::Nothing;

    /// Parses the words after the verb.
    fn parse(words: Words<'_>) -> Result<Self, LineError>;

    /// Writes the arguments as the protocol does, each after a space.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        Ok(())
    }

    /// The path of the command, and the second one that MOVE and COPY have.
    fn paths(&self) -> [Option<&FilePath>; 2] {
        [None, None]
    }

    /// The command for logs and events.
    fn without_secret(&self) -> Self {
        self.clone()
    }

    /// Starts the server's exchange for the command with this number.
    fn serve(&self, id: RequestId, handles: &mut Handles) -> Box<dyn Exchange>;

    /// Whether `word` is one of the names, in any case.
    fn is_called(word: &str) -> bool {
        Self::NAMES.iter().any(|name| word.eq_ignore_ascii_case(name))
    }
}

/// Displays a verb with its arguments as the protocol writes the line, without its ending.
pub(super) struct CommandLine<'a, V>(pub(super) &'a V);

impl<V: Verb> fmt::Display for CommandLine<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(V::NAMES[0])?;
        self.0.write(f)
    }
}

/// The line of a command, with its ending.
pub(super) fn line_of(verb: &impl Verb) -> BytesMut {
    let mut line = BytesMut::new();
    append(&mut line, &CommandLine(verb));
    line
}

/// The maximum length of a word that a refusal repeats, in bytes.
pub(super) const MAX_ECHO: usize = 16;

impl From<WordError> for LineError {
    fn from(error: WordError) -> Self {
        Self::new(ErrorCode::BadArgument, error.to_string())
    }
}

pub(super) fn bad_argument(text: impl Into<Cow<'static, str>>) -> LineError {
    LineError::new(ErrorCode::BadArgument, text)
}

/// Parses the arguments of a verb that has none.
pub(super) fn no_arguments<T>(mut words: Words<'_>, name: &str, verb: T) -> Result<T, LineError> {
    match words.next() {
        None => Ok(verb),
        Some(_) => Err(bad_argument(format!("{name} takes no arguments"))),
    }
}

/// A verb has no path and needs one.
pub(super) fn needs_path(name: &str) -> LineError {
    bad_argument(format!("{name} needs a path"))
}

/// Sets the path of a verb with one path.
pub(super) fn set_path(slot: &mut Option<FilePath>, text: &str) -> Result<(), LineError> {
    if slot.is_some() {
        return Err(bad_argument("one path is enough; quote a path that has spaces"));
    }
    let path = FilePath::parse(text)
        .map_err(|error| LineError::new(ErrorCode::BadName, error.to_string()))?;
    *slot = Some(path);
    Ok(())
}

/// Sets the value of `if-match=`.
pub(super) fn set_if_match(slot: &mut Option<Version>, value: &str) -> Result<(), LineError> {
    let form = "a version, as SENDING and OK have it";
    set(slot, "if-match", form, Version::parse(value))
}

/// Sets the value of `mode=`.
pub(super) fn set_mode(slot: &mut Option<Mode>, value: &str) -> Result<(), LineError> {
    let mode = match value {
        "replace" => Some(Mode::Replace),
        "create" => Some(Mode::Create),
        _ => None,
    };
    set(slot, "mode", "replace or create", mode)
}

/// Writes `mode=` unless it has the default value.
pub(super) fn write_mode(f: &mut fmt::Formatter<'_>, mode: Mode) -> fmt::Result {
    match mode {
        Mode::Replace => Ok(()),
        Mode::Create => f.write_str(" mode=create"),
    }
}

/// Sets the value of an option; `None` if it does not parse. `form` describes a valid value.
pub(super) fn set<T>(
    slot: &mut Option<T>,
    key: &str,
    form: &str,
    value: Option<T>,
) -> Result<(), LineError> {
    if slot.is_some() {
        return Err(bad_argument(format!("{key}= is there twice")));
    }
    *slot = Some(value.ok_or_else(|| bad_argument(format!("{key}= needs {form}")))?);
    Ok(())
}

/// The description of a number.
pub(super) const NUMBER: &str = "a number of at most 9223372036854775807";
/// The description of a flag.
pub(super) const FLAG: &str = "yes or to be left out";

pub(super) fn unknown_option(key: &str) -> LineError {
    bad_argument(if key.len() <= MAX_ECHO {
        Cow::Owned(format!("{key}= is not an option here; quote a path that has a ="))
    } else {
        Cow::Borrowed("that is not an option here; quote a path that has a =")
    })
}

/// Writes a path as the next word.
pub(super) fn write_path(f: &mut fmt::Formatter<'_>, path: &FilePath) -> fmt::Result {
    write!(f, " {}", Quoted(path.as_str()))
}

/// The arguments of a verb that reads a range of a file: DOWNLOAD and CHECKSUM.
pub(super) struct Range {
    pub(super) path: FilePath,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
    pub(super) if_match: Option<Version>,
}

impl Range {
    /// Parses the words after the verb `name`.
    pub(super) fn parse(words: Words<'_>, name: &str) -> Result<Self, LineError> {
        let (mut path, mut offset, mut length, mut if_match) = (None, None, None, None);
        for word in words {
            match word? {
                Word::Plain(text) => set_path(&mut path, &text)?,
                Word::Option { key: "offset", value } => {
                    set(&mut offset, "offset", NUMBER, parse_number(&value))?;
                }
                Word::Option { key: "length", value } => {
                    set(&mut length, "length", NUMBER, parse_number(&value))?;
                }
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let path = path.ok_or_else(|| needs_path(name))?;
        Ok(Self { path, offset: offset.unwrap_or(0), length, if_match })
    }

    /// Writes such arguments as they are on the wire, each after a space.
    pub(super) fn write(
        f: &mut fmt::Formatter<'_>,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
        if_match: Option<Version>,
    ) -> fmt::Result {
        write_path(f, path)?;
        if offset != 0 {
            write!(f, " offset={offset}")?;
        }
        option(f, "length", length.as_ref())?;
        option(f, "if-match", if_match.as_ref())
    }
}

/// The arguments of a verb that gives a file another name: MOVE and COPY.
pub(super) struct Names {
    pub(super) from: FilePath,
    pub(super) to: FilePath,
    pub(super) mode: Mode,
    pub(super) if_match: Option<Version>,
}

impl Names {
    /// Parses the words after the verb `name`.
    pub(super) fn parse(words: Words<'_>, name: &str) -> Result<Self, LineError> {
        let (mut from, mut to, mut mode, mut if_match) = (None, None, None, None);
        for word in words {
            match word? {
                Word::Plain(_) if to.is_some() => {
                    return Err(bad_argument("two paths are enough; quote a path that has spaces"));
                }
                Word::Plain(text) => {
                    set_path(if from.is_none() { &mut from } else { &mut to }, &text)?;
                }
                Word::Option { key: "mode", value } => set_mode(&mut mode, &value)?,
                Word::Option { key: "if-match", value } => set_if_match(&mut if_match, &value)?,
                Word::Option { key, .. } => return Err(unknown_option(key)),
            }
        }
        let (from, to) = from
            .zip(to)
            .ok_or_else(|| bad_argument(format!("{name} needs two paths, from and to")))?;
        Ok(Self { from, to, mode: mode.unwrap_or(Mode::Replace), if_match })
    }

    /// Writes such arguments as they are on the wire, each after a space.
    pub(super) fn write(
        f: &mut fmt::Formatter<'_>,
        [from, to]: [&FilePath; 2],
        mode: Mode,
        if_match: Option<Version>,
    ) -> fmt::Result {
        write_path(f, from)?;
        write_path(f, to)?;
        write_mode(f, mode)?;
        option(f, "if-match", if_match.as_ref())
    }
}
