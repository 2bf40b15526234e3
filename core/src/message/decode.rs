//! Lines read into types.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::num::NonZeroU64;

use super::{
    ClientLine, Command, Depth, Entry, Garbled, Greeting, LineError, Mode, Omission, Refusal,
    Sending, ServerLine, Summary, VERSION,
};
use crate::checksum::Checksum;
use crate::error::ErrorCode;
use crate::limits::Limits;
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::wire::words::{Word, WordError, Words, parse_number};

/// The longest unknown verb that is named in the refusal.
const MAX_ECHO: usize = 16;

impl From<WordError> for LineError {
    fn from(error: WordError) -> Self {
        Self::new(ErrorCode::BadArgument, error.to_string())
    }
}

fn bad_argument(text: impl Into<Cow<'static, str>>) -> LineError {
    LineError::new(ErrorCode::BadArgument, text)
}

fn protocol(text: &'static str) -> LineError {
    LineError::new(ErrorCode::Protocol, text)
}

impl ClientLine {
    /// Reads a line without its ending, which is UTF-8 without control characters.
    ///
    /// ```
    /// use haul_core::message::ClientLine;
    ///
    /// assert_eq!(ClientLine::parse("data 12"), Ok(ClientLine::Data(12)));
    /// assert!(ClientLine::parse("DOWNLOAD ../secret").is_err());
    /// ```
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let line = line.trim_matches(' ');
        let (verb, arguments) = first_word(line);
        let is = |name: &str| verb.eq_ignore_ascii_case(name);
        if is("DATA") {
            return parse_number(arguments.trim_start_matches(' '))
                .filter(|length| (1..=Limits::MAX_DATA).contains(length))
                .map(Self::Data)
                .ok_or_else(|| protocol("DATA needs a length of 1 to 16777216 and nothing else"));
        }
        if is("END") {
            return parse_end(arguments);
        }
        if is("ABORT") {
            return if arguments.is_empty() {
                Ok(Self::Abort)
            } else {
                Err(protocol("ABORT stands alone"))
            };
        }
        if is_http(line) {
            return Err(protocol("this is a HAUL server and speaks no HTTP"));
        }
        let words = Words::new(arguments);
        if is("LIST") {
            parse_list(words)
        } else if is("DOWNLOAD") {
            parse_download(words)
        } else if is("UPLOAD") {
            parse_upload(words)
        } else if is("HELP") {
            no_arguments(words, Command::Help)
        } else if is("EXIT") || is("QUIT") || is("BYE") {
            no_arguments(words, Command::Exit)
        } else {
            Err(unknown(verb))
        }
        .map(Self::Command)
    }
}

/// A browser can be made to send any method and any body to any port: its first line must end the session.
fn is_http(line: &str) -> bool {
    let space = line.bytes().rposition(|byte| byte == b' ');
    let last = &line.as_bytes()[space.map_or(0, |space| space + 1)..];
    // With a quote it is the end of a quoted path: a name may well have a space and `HTTP/` in it.
    last.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/")) && !last.contains(&b'"')
}

/// The first word of a line, and what follows the space after it.
fn first_word(line: &str) -> (&str, &str) {
    // Words are short: a search made for long texts, as `split_once` is one, takes longer.
    match line.bytes().position(|b| b == b' ') {
        Some(end) => (&line[..end], &line[end + 1..]),
        None => (line, ""),
    }
}

fn unknown(verb: &str) -> LineError {
    let plain = verb.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let text = if verb.is_empty() {
        Cow::Borrowed("an empty line is not a command; HELP lists them")
    } else if plain && verb.len() <= MAX_ECHO {
        Cow::Owned(format!("{verb} is not a command; HELP lists them"))
    } else {
        Cow::Borrowed("that is not a command; HELP lists them")
    };
    LineError::new(ErrorCode::UnknownCommand, text)
}

fn parse_end(arguments: &str) -> Result<ClientLine, LineError> {
    let mut checksum = None;
    for word in Words::new(arguments) {
        match word {
            Ok(Word::Option { key: "crc64nvme", value }) if checksum.is_none() => {
                let parsed = Checksum::parse(&value);
                checksum =
                    Some(parsed.ok_or_else(|| protocol("crc64nvme needs 16 hexadecimal digits"))?);
            }
            _ => return Err(protocol("END takes only crc64nvme=")),
        }
    }
    Ok(ClientLine::End { checksum })
}

fn no_arguments(mut words: Words<'_>, command: Command) -> Result<Command, LineError> {
    match words.next() {
        None => Ok(command),
        Some(_) => Err(bad_argument(format!("{} takes no arguments", command.verb()))),
    }
}

fn parse_list(words: Words<'_>) -> Result<Command, LineError> {
    let (mut path, mut depth, mut omitted) = (None, None, None);
    for word in words {
        match word? {
            Word::Plain(text) => set_path(&mut path, &text)?,
            Word::Option { key: "depth", value } => set(&mut depth, "depth", parse_depth(&value))?,
            Word::Option { key: "omitted", value } => {
                set(&mut omitted, "omitted", parse_flag(&value))?;
            }
            Word::Option { key, .. } => return Err(unknown_option(key)),
        }
    }
    let (depth, omitted) = (depth.unwrap_or(Depth::ONE), omitted.is_some());
    Ok(Command::List { path, depth, omitted })
}

fn parse_depth(text: &str) -> Option<Depth> {
    if text == "all" {
        return Some(Depth::All);
    }
    parse_number(text).and_then(NonZeroU64::new).map(Depth::Levels)
}

/// The value of an option that is there or is not.
fn parse_flag(text: &str) -> Option<()> {
    (text == "yes").then_some(())
}

fn parse_download(words: Words<'_>) -> Result<Command, LineError> {
    let (mut path, mut offset, mut length) = (None, None, None);
    for word in words {
        match word? {
            Word::Plain(text) => set_path(&mut path, &text)?,
            Word::Option { key: "offset", value } => {
                set(&mut offset, "offset", parse_number(&value))?;
            }
            Word::Option { key: "length", value } => {
                set(&mut length, "length", parse_number(&value))?;
            }
            Word::Option { key, .. } => return Err(unknown_option(key)),
        }
    }
    let path = path.ok_or_else(|| bad_argument("DOWNLOAD needs a path"))?;
    Ok(Command::Download { path, offset: offset.unwrap_or(0), length })
}

fn parse_upload(words: Words<'_>) -> Result<Command, LineError> {
    let (mut path, mut size, mut mode) = (None, None, None);
    let (mut modified, mut executable) = (None, None);
    for word in words {
        match word? {
            Word::Plain(text) => set_path(&mut path, &text)?,
            Word::Option { key: "size", value } => set(&mut size, "size", parse_number(&value))?,
            Word::Option { key: "mode", value } => set(&mut mode, "mode", parse_mode(&value))?,
            Word::Option { key: "modified", value } => {
                set(&mut modified, "modified", Timestamp::parse(&value))?;
            }
            Word::Option { key: "executable", value } => {
                set(&mut executable, "executable", parse_flag(&value))?;
            }
            Word::Option { key, .. } => return Err(unknown_option(key)),
        }
    }
    let path = path.ok_or_else(|| bad_argument("UPLOAD needs a path"))?;
    let (mode, executable) = (mode.unwrap_or(Mode::Replace), executable.is_some());
    Ok(Command::Upload { path, size, mode, modified, executable })
}

fn parse_mode(text: &str) -> Option<Mode> {
    match text {
        "replace" => Some(Mode::Replace),
        "create" => Some(Mode::Create),
        _ => None,
    }
}

fn set_path(slot: &mut Option<FilePath>, text: &str) -> Result<(), LineError> {
    if slot.is_some() {
        return Err(bad_argument("one path is enough; quote a path that has spaces"));
    }
    let path = FilePath::parse(text)
        .map_err(|error| LineError::new(ErrorCode::BadName, error.to_string()))?;
    *slot = Some(path);
    Ok(())
}

fn set<T>(slot: &mut Option<T>, key: &str, value: Option<T>) -> Result<(), LineError> {
    if slot.is_some() {
        return Err(bad_argument(format!("{key}= is there twice")));
    }
    let form = match key {
        "depth" => "a number from 1, or all",
        "mode" => "replace or create",
        "omitted" | "executable" => "yes or to be left out",
        "modified" => "a time such as 2026-11-22T08:31:25Z",
        _ => "a number of at most 9223372036854775807",
    };
    *slot = Some(value.ok_or_else(|| bad_argument(format!("{key}= needs {form}")))?);
    Ok(())
}

fn unknown_option(key: &str) -> LineError {
    bad_argument(if key.len() <= MAX_ECHO {
        Cow::Owned(format!("{key}= is not an option here; quote a path that has a ="))
    } else {
        Cow::Borrowed("that is not an option here; quote a path that has a =")
    })
}

impl From<WordError> for Garbled {
    fn from(_: WordError) -> Self {
        Self("a line cannot be cut into words")
    }
}

impl ServerLine {
    /// Reads a line without its ending, which is UTF-8 without control characters. Options that are not known are ignored.
    pub fn parse(line: &str) -> Result<Self, Garbled> {
        let line = line.trim_matches(' ');
        let (word, rest) = first_word(line);
        let arguments = Arguments::parse(rest)?;
        match word {
            "FILE" => Ok(Self::Entry(Entry::File {
                path: arguments.path()?,
                size: required(arguments.size)?,
                modified: required(arguments.modified)?,
                executable: arguments.executable.is_some(),
            })),
            "DIR" => Ok(Self::Entry(Entry::Directory {
                path: arguments.path()?,
                error: arguments.error,
                link: arguments.link.is_some(),
            })),
            "OMITTED" => Ok(Self::Entry(Entry::Omitted {
                shown: required(arguments.first)?.into_owned(),
                reason: required(arguments.reason)?,
            })),
            "SENDING" => Ok(Self::Sending(Sending {
                size: required(arguments.size)?,
                offset: required(arguments.offset)?,
                length: required(arguments.length)?,
                modified: required(arguments.modified)?,
                executable: arguments.executable.is_some(),
            })),
            "DATA" => (arguments.first.as_deref())
                .and_then(parse_number)
                .filter(|length| (1..=Limits::MAX_DATA).contains(length))
                .map(Self::Data)
                .ok_or(Garbled("a DATA has no good length")),
            "READY" => Ok(Self::Ready),
            "INFO" => Ok(Self::Info(arguments.first.unwrap_or_default().into_owned())),
            "OK" => Ok(Self::Ok(Summary {
                text: arguments.first.map(|text| Cow::Owned(text.into_owned())),
                entries: arguments.entries,
                omitted: arguments.omitted,
                skipped: arguments.skipped,
                length: arguments.length,
                size: arguments.size,
                checksum: arguments.checksum,
            })),
            "ERR" => Ok(Self::Err(Refusal {
                word: match arguments.first.as_deref().and_then(ErrorCode::parse) {
                    Some(code) => Cow::Borrowed(code.as_str()),
                    None => Cow::Owned(new_code(required(arguments.first)?)?.into_owned()),
                },
                text: Cow::Owned(arguments.second.unwrap_or_default().into_owned()),
                retry_after: arguments.retry_after,
            })),
            VERSION => Ok(Self::Greeting(Greeting {
                banner: arguments.first.map(String::from).unwrap_or_default(),
                max_data: required(arguments.max_data)?.clamp(1, Limits::MAX_DATA),
                pipeline: required(arguments.pipeline)?.max(1),
            })),
            _ if word.starts_with("HAUL/") => Err(Garbled("it speaks another version of HAUL")),
            _ => Err(Garbled("a line is none of HAUL's")),
        }
    }
}

/// A code that this version does not know, but that has the form of one.
fn new_code(word: Cow<'_, str>) -> Result<Cow<'_, str>, Garbled> {
    if is_code(&word) { Ok(word) } else { Err(Garbled("an ERR has no code")) }
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Why the content of a directory is not listed. Any word but `denied` says that the server could not, in whatever way.
fn parse_error(word: &str) -> Option<ErrorCode> {
    let denied = word == ErrorCode::Denied.as_str();
    is_code(word).then_some(if denied { ErrorCode::Denied } else { ErrorCode::Io })
}

fn parse_reason(word: &str) -> Option<Omission> {
    let known = Omission::ALL.iter().copied().find(|reason| reason.as_str() == word);
    is_code(word).then(|| known.unwrap_or(Omission::Unknown))
}

fn required<T>(value: Option<T>) -> Result<T, Garbled> {
    value.ok_or(Garbled("a line lacks something"))
}

/// The words of a server's line after the first. An option counts where it is first seen; one whose value is not of its form makes the line bad.
#[derive(Default)]
struct Arguments<'a> {
    first: Option<Cow<'a, str>>,
    second: Option<Cow<'a, str>>,
    size: Option<u64>,
    offset: Option<u64>,
    length: Option<u64>,
    entries: Option<u64>,
    omitted: Option<u64>,
    skipped: Option<u64>,
    retry_after: Option<u64>,
    max_data: Option<u64>,
    pipeline: Option<u64>,
    modified: Option<Timestamp>,
    checksum: Option<Checksum>,
    executable: Option<()>,
    link: Option<()>,
    error: Option<ErrorCode>,
    reason: Option<Omission>,
}

impl<'a> Arguments<'a> {
    fn parse(rest: &'a str) -> Result<Self, Garbled> {
        let mut all = Self::default();
        for word in Words::new(rest) {
            match word? {
                Word::Plain(text) if all.first.is_none() => all.first = Some(text),
                Word::Plain(text) => {
                    all.second.get_or_insert(text);
                }
                Word::Option { key, value } => all.option(key, &value)?,
            }
        }
        Ok(all)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), Garbled> {
        let number = match key {
            "size" => &mut self.size,
            "offset" => &mut self.offset,
            "length" => &mut self.length,
            "entries" => &mut self.entries,
            "omitted" => &mut self.omitted,
            "skipped" => &mut self.skipped,
            "retry-after" => &mut self.retry_after,
            "max-data" => &mut self.max_data,
            "pipeline" => &mut self.pipeline,
            "modified" => return keep(&mut self.modified, Timestamp::parse(value)),
            "crc64nvme" => return keep(&mut self.checksum, Checksum::parse(value)),
            "executable" => return keep(&mut self.executable, parse_flag(value)),
            "link" => return keep(&mut self.link, parse_flag(value)),
            "error" => return keep(&mut self.error, parse_error(value)),
            "reason" => return keep(&mut self.reason, parse_reason(value)),
            _ => return Ok(()),
        };
        keep(number, parse_number(value))
    }

    fn path(&self) -> Result<FilePath, Garbled> {
        let text = self.first.as_deref().ok_or(Garbled("an entry has no path"))?;
        FilePath::parse(text).map_err(|_| Garbled("a path breaks the rules of names"))
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Garbled> {
    let value = value.ok_or(Garbled("an option has a bad value"))?;
    slot.get_or_insert(value);
    Ok(())
}
