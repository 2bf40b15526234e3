//! The lines of a body, which are not commands: `DATA`, `END` and `ABORT`.
//!
//! Rules: R-CORE-1, R-BODY-1 to R-BODY-5, R-ABORT-1.

use core::fmt;

use bytes::BytesMut;

use super::LineError;
use super::encode::{LINE_END, append};
use crate::checksum::Checksum;
use crate::error::ErrorCode;
use crate::limits::Limits;
use crate::wire::words::{Word, Words, parse_number};

fn protocol(text: &'static str) -> LineError {
    LineError::new(ErrorCode::Protocol, text)
}

/// Parses the length of a `DATA` line, of either side.
pub(crate) fn data_length(text: &str) -> Option<u64> {
    parse_number(text).filter(|length| (1..=Limits::MAX_DATA).contains(length))
}

/// Parses what follows the word `DATA` in a client's line.
pub(crate) fn parse_data(arguments: &str) -> Result<u64, LineError> {
    data_length(arguments.trim_start_matches(' '))
        .ok_or_else(|| protocol("DATA needs a length of 1 to 16777216 and nothing else"))
}

/// Parses what follows the word `END`: the checksum, if the client sent one.
pub(crate) fn parse_end(arguments: &str) -> Result<Option<Checksum>, LineError> {
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
    Ok(checksum)
}

/// Parses what follows the word `ABORT`, which must be empty.
pub(crate) fn parse_abort(arguments: &str) -> Result<(), LineError> {
    if arguments.is_empty() { Ok(()) } else { Err(protocol("ABORT stands alone")) }
}

/// The line that announces `length` bytes of payload, without its ending.
pub(crate) struct DataLine(pub(crate) u64);

impl DataLine {
    /// The length of the line in bytes, with its ending.
    pub(crate) fn len(&self) -> usize {
        let digits = self.0.checked_ilog10().unwrap_or(0) as usize + 1;
        "DATA ".len() + digits + LINE_END.len()
    }

    /// Appends the line and its ending to `out`.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        append(out, self);
    }
}

impl fmt::Display for DataLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DATA {}", self.0)
    }
}

/// The line that ends a body, without its ending.
pub(crate) struct EndLine(pub(crate) Option<Checksum>);

impl fmt::Display for EndLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(checksum) => write!(f, "END crc64nvme={checksum}"),
            None => f.write_str("END"),
        }
    }
}

/// The line that discards a body or cancels commands, without its ending.
pub(crate) struct AbortLine;

impl fmt::Display for AbortLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ABORT")
    }
}
