//! The bytes of a transfer without faults. Each belongs to a part, by which a fault is judged.

use std::ops::Range;

use crate::proxy::{Plan, Way};

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Up,
    Down,
}

impl Side {
    /// A plan for this direction only.
    pub(super) fn plan(self, way: Way) -> Plan {
        match self {
            Self::Up => Plan { up: way, ..Plan::default() },
            Self::Down => Plan { down: way, ..Plan::default() },
        }
    }
}

/// What a byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Greeting,
    /// No checksum covers it, so a fault may make another command of it.
    Command,
    /// What is announced before the body.
    Announcement,
    /// A `DATA` line.
    Chunk,
    Payload,
    /// The end of a body, and its checksum.
    Trailer,
    /// The server's reply to an upload.
    Receipt,
    /// The version at the end of the receipt. It is an opaque word that no checksum covers.
    Version,
    Farewell,
}

/// What one side sent.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) bytes: Vec<u8>,
    parts: Vec<(Range<usize>, Part)>,
}

impl Wire {
    /// Parses what was sent.
    ///
    /// # Panics
    /// When the bytes are not of this protocol.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = bytes[at..].iter().position(|byte| *byte == b'\n').expect("whole lines");
            let line = std::str::from_utf8(&bytes[at..=at + length]).expect("lines of text");
            let part = part_of(line);
            let end = at + line.len();
            match line.find(" version=") {
                Some(version) if part == Part::Receipt => {
                    parts.push((at..at + version, part));
                    parts.push((at + version..end, Part::Version));
                }
                _ => parts.push((at..end, part)),
            }
            at = end;
            if part == Part::Chunk {
                let count: usize = line["DATA ".len()..].trim_end().parse().expect("a number");
                parts.push((end..end + count, Part::Payload));
                at += count;
            }
        }
        assert_eq!(at, bytes.len(), "a body is cut");
        Self { bytes, parts }
    }

    /// All parts, each with its range.
    pub(super) fn parts(&self) -> &[(Range<usize>, Part)] {
        &self.parts
    }

    /// The number of bytes that must have passed before anybody may believe that the transfer is done.
    pub(super) fn needed(&self) -> usize {
        let before = self.parts.iter().filter(|(_, part)| *part != Part::Farewell);
        before.map(|(range, _)| range.end).max().unwrap_or(0)
    }

    /// Whether this bit only changes the case of a letter of a verb, which does not change the meaning.
    pub(super) fn is_case_of_verb(&self, byte: usize, bit: u8) -> bool {
        let inside = self.parts.iter().find(|(range, _)| range.contains(&byte));
        let (range, _) = inside.expect("every byte belongs to a part");
        let verb = self.bytes[range.start..byte].iter().all(u8::is_ascii_alphabetic);
        bit == 5 && verb && self.bytes[byte].is_ascii_alphabetic()
    }
}

fn part_of(line: &str) -> Part {
    match line.split([' ', '\r', '=']).take(2).collect::<Vec<_>>()[..] {
        ["HAUL/1", ..] => Part::Greeting,
        ["UPLOAD" | "DOWNLOAD", ..] => Part::Command,
        ["READY" | "SENDING", ..] => Part::Announcement,
        ["DATA", ..] => Part::Chunk,
        ["END", ..] | ["OK", "length"] => Part::Trailer,
        ["OK", "size"] => Part::Receipt,
        ["EXIT" | "OK", ..] => Part::Farewell,
        _ => panic!("nobody says {line:?}"),
    }
}
