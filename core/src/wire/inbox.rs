//! The received bytes that are not consumed yet.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use thiserror::Error;
use zeroize::Zeroize as _;

use crate::limits::Limits;

/// Why the received bytes can never become a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum LineFault {
    #[error("a line has at most 4096 bytes")]
    TooLong,
    #[error("a line has no control characters")]
    Control,
    #[error("a line is UTF-8")]
    NotUtf8,
}

/// A complete line in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line without its ending.
    pub(crate) text: &'a str,
    /// The start of the next line, in bytes from the start of this one.
    pub(crate) end: usize,
}

/// A read buffer, which is split into lines and payload.
///
/// `buffer[..filled]` was received; the rest is zeroed room for more. Each byte of a line is scanned once: `scanned` is
/// how far an incomplete line was searched.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: BytesMut,
    filled: usize,
    scanned: usize,
    /// The room that was returned for the current read.
    lent: usize,
    /// The last read filled all its room, so there is probably more.
    filled_its_room: bool,
    /// The peer will send no more.
    pub(crate) ended: bool,
}

impl Inbox {
    /// Room for about `wanted` bytes in all, including filled ones; at least one byte.
    pub(crate) fn space(&mut self, wanted: usize) -> &mut [u8] {
        let wanted = wanted.max(self.filled + 1);
        // Half of the wanted room is enough: room is zeroed when it is allocated, and small reads must not allocate
        // each time.
        if self.buffer.len() - self.filled < (wanted - self.filled).div_ceil(2) {
            // `reserve` would copy the zeroed room too.
            self.buffer.truncate(self.filled);
            self.buffer.reserve(wanted - self.filled);
            self.buffer.resize(wanted, 0);
        }
        let end = wanted.min(self.buffer.len());
        self.lent = end - self.filled;
        &mut self.buffer[self.filled..end]
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.buffer.len());
        self.filled_its_room = count == self.lent;
        self.lent = 0;
    }

    /// Whether `count` bytes fit into the room that [`space`](Self::space) returned.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        count <= self.lent
    }

    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Whether the last read filled all its room, so that a larger read is worth it.
    pub(crate) fn filled_its_room(&self) -> bool {
        self.filled_its_room
    }

    /// Frees the buffer if it is empty.
    pub(crate) fn release(&mut self) {
        if self.filled == 0 {
            self.buffer = BytesMut::new();
            self.lent = 0;
            self.filled_its_room = false;
        }
    }

    /// The first line, if it is complete.
    pub(crate) fn line(&mut self) -> Result<Option<Line<'_>>, LineFault> {
        let from = self.scanned;
        self.scanned = self.filled;
        let end = match memchr(b'\n', &self.buffer[from..self.filled]) {
            Some(at) => from + at + 1,
            None => {
                return Self::unfinished(&self.buffer[..self.filled], from).map(|()| None);
            }
        };
        // The next call starts again at the end of this line, so that it returns the same line.
        self.scanned = end - 1;
        Self::finished(&self.buffer[..end]).map(Some)
    }

    /// The line that starts `from` bytes into the buffer, if it is complete.
    pub(crate) fn line_at(&self, from: usize) -> Result<Option<Line<'_>>, LineFault> {
        let bytes = &self.buffer[from.min(self.filled)..self.filled];
        match memchr(b'\n', bytes) {
            Some(at) => Self::finished(&bytes[..=at]).map(Some),
            None => Self::unfinished(bytes, 0).map(|()| None),
        }
    }

    fn finished(line: &[u8]) -> Result<Line<'_>, LineFault> {
        if line.len() > Limits::MAX_LINE {
            // The first fault of a line is reported, however the bytes were split.
            Self::unfinished(&line[..Limits::MAX_LINE - 1], 0)?;
            return Err(LineFault::TooLong);
        }
        let text = &line[..line.len() - 1];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if has_control(text) {
            return Err(LineFault::Control);
        }
        let text = core::str::from_utf8(text).map_err(|_| LineFault::NotUtf8)?;
        // U+0080 to U+009F are control characters of two bytes.
        if text.as_bytes().contains(&0xc2) && text.chars().any(char::is_control) {
            return Err(LineFault::Control);
        }
        Ok(Line { text, end: line.len() })
    }

    /// Fails if no further bytes can complete the line; `bytes[..from]` was checked before.
    fn unfinished(bytes: &[u8], from: usize) -> Result<(), LineFault> {
        if bytes.len() >= Limits::MAX_LINE {
            Self::unfinished(&bytes[..Limits::MAX_LINE - 1], from)?;
            return Err(LineFault::TooLong);
        }
        // A CR at the very end may be half of the line's ending; one before new bytes is not.
        let fresh = &bytes[from.saturating_sub(1).min(bytes.len())..];
        let fresh = fresh.strip_suffix(b"\r").unwrap_or(fresh);
        if has_control(fresh) { Err(LineFault::Control) } else { Ok(()) }
    }

    /// Overwrites the first `count` bytes, which are dropped next.
    pub(crate) fn wipe(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.buffer[..count].zeroize();
    }

    /// Drops the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.filled -= count;
        self.scanned = self.scanned.saturating_sub(count);
        // If everything was consumed, the whole room stays.
        if self.filled > 0 {
            self.buffer.advance(count);
        }
    }

    /// Splits off the first `count` bytes without copying them.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.filled);
        self.filled -= count;
        self.scanned = self.scanned.saturating_sub(count);
        self.buffer.split_to(count).freeze()
    }

    /// The first `count` bytes, in place.
    pub(crate) fn peek(&self, count: usize) -> &[u8] {
        &self.buffer[..count.min(self.filled)]
    }
}

/// Whether there is an ASCII control character. It does not stop at the first one, so that the compiler can vectorize
/// it.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | byte.is_ascii_control())
}
