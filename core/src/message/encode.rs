//! Lines put into bytes.

use core::fmt::{self, Write};

use bytes::BytesMut;

use super::{
    ClientLine, Command, Depth, Entry, Greeting, Mode, Refusal, Sending, ServerLine, Summary,
    VERSION,
};
use crate::wire::words::Quoted;

const LINE_END: &str = "\r\n";

/// Room for a typical line, so that most need no second allocation.
const TYPICAL_LINE: usize = 128;

/// Writing to memory cannot fail, so the formatter's `Result` is of no interest to callers.
fn append(out: &mut BytesMut, line: &dyn fmt::Display) {
    out.reserve(TYPICAL_LINE);
    let written = write!(out, "{line}{LINE_END}");
    debug_assert!(written.is_ok(), "memory takes every line");
}

/// The length of the line that announces `payload` bytes, with its ending.
pub(crate) fn data_line_len(payload: u64) -> usize {
    let digits = payload.checked_ilog10().unwrap_or(0) as usize + 1;
    "DATA ".len() + digits + LINE_END.len()
}

impl ClientLine {
    /// Appends the line and its ending, CRLF, to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        append(out, self);
    }
}

impl ServerLine {
    /// Appends the line and its ending, CRLF, to `out`. Texts are cut to 1024 bytes, and their control characters become `?`.
    pub fn encode(&self, out: &mut BytesMut) {
        append(out, self);
    }
}

impl fmt::Display for ClientLine {
    /// The line as it stands on the wire, without its ending. For a terminal use [`Escaped`](crate::Escaped).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Data(length) => write!(f, "DATA {length}"),
            Self::End { checksum: None } => f.write_str("END"),
            Self::End { checksum: Some(checksum) } => write!(f, "END crc64nvme={checksum}"),
            Self::Abort => f.write_str("ABORT"),
        }
    }
}

impl fmt::Display for Command {
    /// The line as it stands on the wire, without its ending. For a terminal use [`Escaped`](crate::Escaped).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())?;
        if let Some(path) = self.path() {
            write!(f, " {}", Quoted(path.as_str()))?;
        }
        match self {
            Self::List { depth, omitted, .. } => {
                match depth {
                    Depth::Levels(levels) if levels.get() == 1 => {}
                    Depth::Levels(levels) => write!(f, " depth={levels}")?,
                    Depth::All => f.write_str(" depth=all")?,
                }
                flag(f, "omitted", *omitted)
            }
            Self::Download { offset, length, .. } => {
                if *offset != 0 {
                    write!(f, " offset={offset}")?;
                }
                option(f, "length", length.as_ref())
            }
            Self::Upload { size, mode, modified, executable, .. } => {
                option(f, "size", size.as_ref())?;
                match mode {
                    Mode::Replace => {}
                    Mode::Create => f.write_str(" mode=create")?,
                }
                option(f, "modified", modified.as_ref())?;
                flag(f, "executable", *executable)
            }
            Self::Help | Self::Exit => Ok(()),
        }
    }
}

impl fmt::Display for ServerLine {
    /// The line as it stands on the wire, without its ending. For a terminal use [`Escaped`](crate::Escaped).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting(Greeting { banner, max_data, pipeline }) => {
                write!(f, "{VERSION} {} max-data={max_data} pipeline={pipeline}", Quoted(banner))
            }
            Self::Entry(Entry::File { path, size, modified, executable }) => {
                write!(f, "FILE {} size={size} modified={modified}", Quoted(path.as_str()))?;
                flag(f, "executable", *executable)
            }
            Self::Entry(Entry::Directory { path, error, link }) => {
                write!(f, "DIR {}", Quoted(path.as_str()))?;
                option(f, "error", error.as_ref())?;
                flag(f, "link", *link)
            }
            Self::Entry(Entry::Omitted { shown, reason }) => {
                write!(f, "OMITTED {} reason={reason}", Quoted(shown))
            }
            Self::Sending(Sending { size, offset, length, modified, executable }) => {
                write!(f, "SENDING size={size} offset={offset} length={length}")?;
                write!(f, " modified={modified}")?;
                flag(f, "executable", *executable)
            }
            Self::Data(length) => write!(f, "DATA {length}"),
            Self::Ready => f.write_str("READY"),
            Self::Info(text) => write!(f, "INFO {}", Quoted(text)),
            Self::Ok(summary) => summary.fmt(f),
            Self::Err(Refusal { word, text, retry_after }) => {
                write!(f, "ERR {word} {}", Quoted(text))?;
                option(f, "retry-after", retry_after.as_ref())
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OK")?;
        if let Some(text) = &self.text {
            write!(f, " {}", Quoted(text))?;
        }
        option(f, "entries", self.entries.as_ref())?;
        option(f, "omitted", self.omitted.as_ref())?;
        option(f, "skipped", self.skipped.as_ref())?;
        option(f, "length", self.length.as_ref())?;
        option(f, "size", self.size.as_ref())?;
        option(f, "crc64nvme", self.checksum.as_ref())
    }
}

fn option(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {key}={value}"),
        None => Ok(()),
    }
}

/// An option that is there or is not.
fn flag(f: &mut fmt::Formatter<'_>, key: &str, is_set: bool) -> fmt::Result {
    option(f, key, is_set.then_some(&"yes"))
}
