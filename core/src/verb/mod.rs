//! The commands of the protocol: a module for each verb.
//!
//! The module of a verb contains the grammar of its command and of its own reply lines, its line of HELP, and the
//! exchanges of server and client. Nothing else in this crate names a verb, except this list and the client's requests.

mod auth;
mod change;
mod checksum;
pub(crate) mod client_exchange;
mod copy;
mod delete;
mod download;
mod exit;
mod grammar;
mod help;
mod list;
mod mkdir;
mod relocate;
pub(crate) mod server_exchange;
mod upload;
mod whoami;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

use bytes::BytesMut;

use crate::checksum as crc;
use crate::effect::RequestId;
use crate::error::ErrorCode;
use crate::message::arguments::Arguments;
use crate::message::body::{
    AbortLine, DataLine, EndLine, data_length, parse_abort, parse_data, parse_end,
};
use crate::message::common::ErrLine;
use crate::message::encode::append;
use crate::message::{
    Garbled, Greeting, LineError, Refusal, Sending, ServerLine, Summary, VERSION,
};
use crate::name::FilePath;
use crate::request::Request;
use crate::wire::words::Words;

use grammar::{CommandLine, Verb};

use server_exchange::{Exchange, Handles};

pub(crate) use grammar::Changes;

pub use auth::Auth;
pub use checksum::Checksum;
pub use copy::Copy;
pub use delete::Delete;
pub use download::Download;
pub use exit::Exit;
pub use help::Help;
pub use list::List;
pub use mkdir::MakeDirectory;
pub use relocate::Move;
pub use upload::{EAGER, Upload};
pub use whoami::WhoAmI;

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident),+ $(,)?) => {
        /// A command.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Command {
            $($(#[$doc])* $verb($verb),)+
        }

        /// The lines of HELP.
        pub(crate) const HELP: &[&str] = &[
            $($verb::HELP,)+
            "Put a path that has spaces or = in double quotes",
        ];

        impl Command {
            /// The command's verb, in upper case.
            pub fn verb(&self) -> &'static str {
                match self {
                    $(Self::$verb(_) => $verb::NAMES[0],)+
                }
            }

            /// The path of the command, and the new name of MOVE and COPY.
            pub fn paths(&self) -> [Option<&FilePath>; 2] {
                match self {
                    $(Self::$verb(verb) => verb.paths(),)+
                }
            }

            /// What it changes.
            pub(crate) fn changes(&self) -> Changes {
                match self {
                    $(Self::$verb(_) => $verb::CHANGES,)+
                }
            }

            /// Whether a client that has to be identified may send it only after that.
            pub(crate) fn needs_identity(&self) -> bool {
                match self {
                    $(Self::$verb(_) => $verb::NEEDS_IDENTITY,)+
                }
            }

            /// The command for logs and events.
            pub(crate) fn without_secret(&self) -> Self {
                match self {
                    $(Self::$verb(verb) => Self::$verb(verb.without_secret()),)+
                }
            }

            /// Whether the command may have a body.
            pub(crate) fn has_body(&self) -> bool {
                match self {
                    $(Self::$verb(_) => $verb::HAS_BODY,)+
                }
            }

            /// Starts the server's exchange for the command with this number.
            pub(crate) fn serve(&self, id: RequestId, handles: &mut Handles) -> Box<dyn Exchange> {
                match self {
                    $(Self::$verb(verb) => verb.serve(id, handles),)+
                }
            }

            fn parse(verb: &str, words: Words<'_>) -> Result<Self, LineError> {
                $(if $verb::is_called(verb) {
                    return $verb::parse(words).map(Self::$verb);
                })+
                Err(unknown(verb))
            }
        }

        impl fmt::Display for Command {
            /// Writes the line as the protocol does, without its ending. For a terminal use
            /// [`Escaped`](crate::Escaped).
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$verb(verb) => CommandLine(verb).fmt(f),)+
                }
            }
        }
    };
}

verbs! {
    /// List a directory, or one file.
    List,
    /// Download a file or a range of it.
    Download,
    /// Upload a file.
    Upload,
    /// Delete a file or an empty directory.
    Delete,
    /// Create a directory.
    MakeDirectory,
    /// Rename a file or a directory.
    Move,
    /// Copy a file.
    Copy,
    /// Get the checksum of a file or a range of it.
    Checksum,
    /// Say who the client is.
    Auth,
    /// Get what the user may do.
    WhoAmI,
    /// Get the list of commands.
    Help,
    /// End the session.
    Exit,
}

fn unknown(verb: &str) -> LineError {
    let plain = verb.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let text = if verb.is_empty() {
        Cow::Borrowed("an empty line is not a command; HELP lists them")
    } else if plain && verb.len() <= grammar::MAX_ECHO {
        Cow::Owned(format!("{verb} is not a command; HELP lists them"))
    } else {
        Cow::Borrowed("that is not a command; HELP lists them")
    };
    LineError::new(ErrorCode::UnknownCommand, text)
}

/// A line that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientLine {
    /// A command, which gets exactly one final reply.
    Command(Command),
    /// `DATA n`: `n` raw bytes follow, 1 to 16 MiB.
    Data(u64),
    /// `END`: the body is complete.
    End {
        /// The checksum of the body, if the client sent one.
        checksum: Option<crc::Checksum>,
    },
    /// `ABORT`: in a body, discards it; elsewhere, cancels every unanswered command.
    Abort,
}

impl ClientLine {
    /// Parses a line without its ending, which is UTF-8 without control characters.
    ///
    /// # Errors
    /// The refusal that a server sends.
    ///
    /// ```
    /// use haul_core::ClientLine;
    ///
    /// assert_eq!(ClientLine::parse("data 12"), Ok(ClientLine::Data(12)));
    /// assert!(ClientLine::parse("DOWNLOAD ../secret").is_err());
    /// ```
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let line = line.trim_matches(' ');
        let (verb, arguments) = first_word(line);
        let is = |name: &str| verb.eq_ignore_ascii_case(name);
        if is("DATA") {
            parse_data(arguments).map(Self::Data)
        } else if is("END") {
            parse_end(arguments).map(|checksum| Self::End { checksum })
        } else if is("ABORT") {
            parse_abort(arguments).map(|()| Self::Abort)
        } else if is_http(line) {
            let text = "this is a HAUL server and speaks no HTTP";
            Err(LineError::new(ErrorCode::Protocol, text))
        } else {
            Command::parse(verb, Words::new(arguments)).map(Self::Command)
        }
    }

    /// Appends the line and its ending, CRLF, to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        append(out, self);
    }
}

impl fmt::Display for ClientLine {
    /// Writes the line as the protocol does, without its ending. For a terminal use [`Escaped`](crate::Escaped).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Data(length) => DataLine(*length).fmt(f),
            Self::End { checksum } => EndLine(*checksum).fmt(f),
            Self::Abort => AbortLine.fmt(f),
        }
    }
}

/// Whether a line looks like the first line of a web browser (R-HTTP-1). A web page can make a browser send any method
/// and any body to any port, so that line must end the session.
fn is_http(line: &str) -> bool {
    let space = line.bytes().rposition(|byte| byte == b' ');
    let last = &line.as_bytes()[space.map_or(0, |space| space + 1)..];
    // With a quote it is the end of a quoted path: a name may contain a space and `HTTP/`.
    last.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/")) && !last.contains(&b'"')
}

/// Splits off the first word of a line. The rest starts after the space.
fn first_word(line: &str) -> (&str, &str) {
    // Words are short, and a search for long texts such as `split_once` takes longer.
    match line.bytes().position(|b| b == b' ') {
        Some(end) => (&line[..end], &line[end + 1..]),
        None => (line, ""),
    }
}

impl ServerLine {
    /// Parses a line without its ending, which is UTF-8 without control characters. Unknown options are ignored.
    ///
    /// # Errors
    /// If the line is invalid.
    pub fn parse(line: &str) -> Result<Self, Garbled> {
        let line = line.trim_matches(' ');
        let (word, rest) = first_word(line);
        let arguments = Arguments::parse(rest)?;
        match word {
            "FILE" => list::parse_file(&arguments).map(Self::Entry),
            "DIR" => list::parse_directory(&arguments).map(Self::Entry),
            "OMITTED" => list::parse_omitted(arguments).map(Self::Entry),
            "SENDING" => Sending::parse(&arguments).map(Self::Sending),
            "DATA" => (arguments.first.as_deref())
                .and_then(data_length)
                .map(Self::Data)
                .ok_or(Garbled("a DATA has no good length")),
            upload::READY => Ok(Self::Ready),
            whoami::GRANT => whoami::parse_grant(&arguments).map(Self::Grant),
            "INFO" => Ok(Self::Info(arguments.first.map(String::from).unwrap_or_default())),
            "OK" => Ok(Self::Ok(Summary::parse(arguments))),
            "ERR" => Refusal::parse(arguments).map(Self::Err),
            VERSION => Greeting::parse(arguments).map(Self::Greeting),
            _ if word.starts_with("HAUL/") => Err(Garbled("it speaks another version of HAUL")),
            _ => Err(Garbled("a line is none of HAUL's")),
        }
    }

    /// Appends the line and its ending, CRLF, to `out`. Texts are cut to 1024 bytes, and their control characters
    /// become `?`.
    pub fn encode(&self, out: &mut BytesMut) {
        append(out, self);
    }
}

impl fmt::Display for ServerLine {
    /// Writes the line as the protocol does, without its ending. For a terminal use [`Escaped`](crate::Escaped).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting(greeting) => greeting.fmt(f),
            Self::Entry(entry) => list::EntryLine(entry).fmt(f),
            Self::Sending(sending) => sending.fmt(f),
            Self::Data(length) => DataLine(*length).fmt(f),
            Self::Ready => f.write_str(upload::READY),
            Self::Info(text) => help::InfoLine(text).fmt(f),
            Self::Grant(grant) => whoami::GrantLine(grant).fmt(f),
            Self::Ok(summary) => summary.fmt(f),
            Self::Err(refusal) => ErrLine(refusal).fmt(f),
        }
    }
}

/// Starts the client's exchange of a request.
pub(crate) fn ask(request: &Request, handles: &mut Handles) -> Box<dyn client_exchange::Exchange> {
    match request.clone() {
        Request::List { path, depth, omitted } => List { path, depth, omitted }.ask(),
        Request::Download { path, offset, length, if_match, mode } => {
            Download { path, offset, length, if_match }.ask(mode, handles)
        }
        Request::Upload { path, mode, if_match } => upload::ask(path, mode, if_match, handles),
        Request::Delete { path, if_match } => Delete { path, if_match }.ask(),
        Request::MakeDirectory { path } => MakeDirectory { path }.ask(),
        Request::Move { from, to, mode, if_match } => Move { from, to, mode, if_match }.ask(),
        Request::Copy { from, to, mode, if_match } => Copy { from, to, mode, if_match }.ask(),
        Request::Checksum { path, offset, length, if_match } => {
            Checksum { path, offset, length, if_match }.ask()
        }
        Request::Authenticate { user, proof } => Auth { user, proof }.ask(),
        Request::WhoAmI => WhoAmI::ask(),
        Request::Help => Help::ask(),
        Request::Exit => Exit::ask(),
    }
}
