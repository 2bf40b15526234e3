//! Splits lines into words, and writes words into lines.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};

use memchr::memchr2_iter;
use thiserror::Error;

/// The largest number of the protocol, 2^63-1.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// A bare or quoted word, without its quotes.
    Plain(Cow<'a, str>),
    /// `key=value`, the value without its quotes.
    Option { key: &'a str, value: Cow<'a, str> },
}

/// Why a line cannot be split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum WordError {
    #[error("a quote is not closed")]
    Unclosed,
    #[error("a backslash in quotes stands only before a quote or a backslash")]
    BadEscape,
    #[error("a quoted word ends at its second quote")]
    JunkAfterQuote,
    #[error("a quote inside a word needs quotes around the word")]
    QuoteInside,
}

/// The words of a line, which has no control characters.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { rest: line }
    }

    fn bare(&mut self) -> Result<&'a str, WordError> {
        // Words are short, and a search for long texts takes longer to start.
        let end = match self.rest.bytes().position(|byte| matches!(byte, b' ' | b'"')) {
            Some(at) if self.rest.as_bytes()[at] == b'"' => return Err(WordError::QuoteInside),
            Some(at) => at,
            None => self.rest.len(),
        };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    /// Takes a quoted word; `rest` begins with its first quote.
    fn quoted(&mut self) -> Result<Cow<'a, str>, WordError> {
        let body = &self.rest[1..];
        let mut unescaped = String::new();
        let mut copied = 0;
        let mut marks = memchr2_iter(b'"', b'\\', body.as_bytes());
        loop {
            let at = marks.next().ok_or(WordError::Unclosed)?;
            if body.as_bytes()[at] == b'"' {
                self.rest = &body[at + 1..];
                if !matches!(self.rest.as_bytes().first(), None | Some(b' ')) {
                    return Err(WordError::JunkAfterQuote);
                }
                let last = &body[copied..at];
                return Ok(if copied == 0 {
                    Cow::Borrowed(last)
                } else {
                    unescaped.push_str(last);
                    Cow::Owned(unescaped)
                });
            }
            match body.as_bytes().get(at + 1) {
                Some(b'"' | b'\\') => {}
                Some(_) => return Err(WordError::BadEscape),
                None => return Err(WordError::Unclosed),
            }
            if copied == 0 {
                // Growing would leave parts of a secret behind.
                unescaped.reserve(body.len());
            }
            unescaped.push_str(&body[copied..at]);
            unescaped.push_str(&body[at + 1..at + 2]);
            copied = at + 2;
            // The escaped character is found as a mark too.
            marks.next();
        }
    }

    fn value(&mut self) -> Result<Cow<'a, str>, WordError> {
        if self.rest.starts_with('"') { self.quoted() } else { self.bare().map(Cow::Borrowed) }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Result<Word<'a>, WordError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest.strip_prefix(' ') {
            self.rest = rest;
        }
        let key_end = self
            .rest
            .bytes()
            .position(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            .unwrap_or(self.rest.len());
        let word = match self.rest.as_bytes().get(key_end) {
            None if key_end == 0 => return None,
            Some(b'=') if key_end > 0 => {
                let key = &self.rest[..key_end];
                self.rest = &self.rest[key_end + 1..];
                self.value().map(|value| Word::Option { key, value })
            }
            _ => self.value().map(Word::Plain),
        };
        if word.is_err() {
            self.rest = "";
        }
        Some(word)
    }
}

/// Parses a number of the protocol: canonical decimal, at most 2^63-1.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    // 19 digits are enough for 2^63-1 and never overflow 64 bits.
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() <= 19;
    if !canonical {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
    })?;
    (value <= MAX_NUMBER).then_some(value)
}

/// Parses the value of a flag.
pub(crate) fn flag(text: &str) -> Option<()> {
    (text == "yes").then_some(())
}

/// Displays a text as a quoted word of at most [`Self::MAX_BYTES`] bytes; control characters become `?`.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Quoted<'_> {
    /// A whole path fits. A line with a path and its options is shorter than the longest line even if every byte is
    /// escaped.
    pub(crate) const MAX_BYTES: usize = 1024;
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.0[..self.0.floor_char_boundary(Self::MAX_BYTES)];
        f.write_char('"')?;
        while let Some(at) = rest.bytes().position(is_suspect) {
            let (plain, from) = rest.split_at(at);
            let mut chars = from.chars();
            f.write_str(plain)?;
            match chars.next() {
                Some('"') => f.write_str("\\\"")?,
                Some('\\') => f.write_str("\\\\")?,
                Some(c) if c.is_control() => f.write_char('?')?,
                Some(c) => f.write_char(c)?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}

/// Whether a character that starts with this byte may need an escape or a replacement. The control characters U+0080 to
/// U+009F start with 0xc2.
fn is_suspect(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'"' | b'\\' | 0xc2)
}
