//! Texts of a script: braces, quoted paths, and contents.

use std::collections::BTreeMap;
use std::ops::Range;

use haul_harness::Content;

use super::VERSION;
use crate::tree::UNFINISHED;

/// The named contents of a script.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Content>);

impl Names {
    /// Names a content. The name must not look like a byte in hexadecimal.
    pub(super) fn define(&mut self, name: &str, content: Content) -> Result<(), String> {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !plain || hex_byte(name).is_some() {
            return Err(format!(
                "{name} cannot be a name: it needs lower-case letters that are no byte"
            ));
        }
        match self.0.insert(name.to_owned(), content) {
            None => Ok(()),
            Some(_) => Err(format!("{name} has a content already")),
        }
    }

    /// Parses a content: a quoted text, `pattern N`, `zeros N`, or a name, optionally with a range.
    pub(super) fn content(&self, text: &str) -> Result<Content, String> {
        if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return Ok(Content::Bytes(self.bytes(inner)?.into()));
        }
        match text.split_once(' ') {
            Some(("pattern", length)) => Ok(Content::pattern(number(length)?)),
            Some(("zeros", length)) => Ok(Content::Zeros(number(length)?)),
            Some(_) => Err(format!("{text} is no content")),
            None => self.named(text),
        }
    }

    /// The bytes that a text means.
    pub(super) fn bytes(&self, text: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').ok_or("a { without its }")?;
            bytes.extend_from_slice(before.as_bytes());
            self.substitute(inside, &mut bytes)?;
            rest = after;
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(bytes)
    }

    fn substitute(&self, inside: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
        let (byte, count) = inside.split_once('*').unwrap_or((inside, "1"));
        if let Some(byte) = hex_byte(byte) {
            let length = bytes.len() + number::<usize>(count)?;
            bytes.resize(length, byte);
        } else if let Some(name) = inside.strip_prefix("crc ") {
            bytes.extend_from_slice(self.named(name)?.checksum().as_bytes());
        } else if let Some(name) = inside.strip_prefix("len ") {
            bytes.extend_from_slice(self.named(name)?.length().to_string().as_bytes());
        } else if inside == "version" {
            bytes.extend_from_slice(VERSION);
        } else if inside == "unfinished" {
            bytes.extend_from_slice(UNFINISHED.as_bytes());
        } else {
            bytes.extend_from_slice(&self.named(inside)?.to_vec());
        }
        Ok(())
    }

    /// A content by its name, or a range of it such as `big[0..100]`.
    fn named(&self, text: &str) -> Result<Content, String> {
        let (name, range) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            Some((name, range)) => (name, Some(range)),
            None => (text, None),
        };
        let content = self.0.get(name).ok_or_else(|| format!("nothing is called {name}"))?;
        let Some(range) = range else { return Ok(content.clone()) };
        let range = parse_range(range, content.length())?;
        content.slice(range).ok_or_else(|| format!("{text} goes beyond the end"))
    }
}

/// Splits a quoted word off: the text in the quotes, and the rest without leading spaces. A quote inside is written
/// `{22}`.
pub(super) fn quoted(text: &str) -> Result<(&str, &str), String> {
    text.strip_prefix('"')
        .and_then(|rest| rest.split_once('"'))
        .map(|(inside, rest)| (inside, rest.trim_start()))
        .ok_or_else(|| format!("expected something in quotes, found {text}"))
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn parse_range(text: &str, length: u64) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or_else(|| format!("{text} is no range"))?;
    let start = if start.is_empty() { 0 } else { number(start)? };
    let end = if end.is_empty() { length } else { number(end)? };
    Ok(start..end)
}

fn hex_byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits { u8::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_bytes_contents_checksums_and_lengths() {
        let mut names = Names::default();
        names.define("hello", Content::Bytes(b"hello world\n".as_slice().into())).unwrap();
        let bytes = |text| names.bytes(text).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(bytes("a{62}{63*3}d").unwrap(), "abcccd");
        assert_eq!(bytes("{hello[0..5]}!").unwrap(), "hello!");
        assert_eq!(bytes("{len hello} {crc hello}").unwrap(), "12 0f780e8481d2a21f");
        assert_eq!(bytes("{crc hello[5..]}").unwrap(), "174281bffcdcae05");
        for wrong in ["{hello", "{nobody}", "{hello[0..13]}", "{hello[5..1]}", "{61*x}"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_given_once_and_is_no_byte() {
        let mut names = Names::default();
        assert!(names.define("ab", Content::Zeros(1)).is_err());
        assert!(names.define("big", Content::Zeros(1)).is_ok());
        assert!(names.define("big", Content::Zeros(1)).is_err());
    }
}
