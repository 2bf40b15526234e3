//! The client's part of a script, without any I/O: what to send next, and whether the replies are right.

use std::fs::{File, OpenOptions};
use std::path::Path;

use haul_harness::Content;

use crate::script::{Disturbance, Expectation, Script, Step, VERSION};
use crate::tree;

/// Plays the client of one script.
#[derive(Debug)]
pub struct Player<'a> {
    steps: &'a [Step],
    share: &'a Path,
    /// The bytes of the current [`Step::Send`], and how many of them were sent.
    sending: Vec<u8>,
    sent: usize,
    /// The version that the server told last.
    version: Vec<u8>,
    /// Bytes that were received and not processed yet.
    received: Vec<u8>,
    /// The lines of the current step so far, or the payload's offset in the content.
    progress: Progress,
    transcript: String,
}

#[derive(Debug, Default)]
struct Progress {
    lines: Vec<Vec<u8>>,
    offset: u64,
    left_of_chunk: u64,
}

/// What the client does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Send the first of these bytes, then call [`Player::sent`].
    Send(&'a [u8]),
    /// Close the sending side.
    CloseSending,
    /// Shut the server down.
    Drain,
    /// Wait for the server, then call [`Player::receive`] or [`Player::end`].
    Receive,
    /// The script is over. Close the connection.
    Done,
}

/// Whether the current step is complete.
enum Matched {
    Yes,
    NotYet,
}

impl<'a> Player<'a> {
    /// Starts a script whose server shares the directory `share`.
    pub fn new(script: &'a Script, share: &'a Path) -> Self {
        Self {
            steps: &script.steps,
            share,
            sending: Vec::new(),
            sent: 0,
            version: Vec::new(),
            received: Vec::new(),
            progress: Progress::default(),
            transcript: String::new(),
        }
    }

    /// The next move. [`Next::CloseSending`] and [`Next::Drain`] are returned once.
    pub fn next_move(&mut self) -> Result<Next<'_>, String> {
        loop {
            match self.steps.first() {
                None => return Ok(Next::Done),
                Some(Step::Send(bytes)) => {
                    if self.sending.is_empty() {
                        self.sending = with_version(bytes, &self.version);
                    }
                    if self.sent < self.sending.len() {
                        return Ok(Next::Send(&self.sending[self.sent..]));
                    }
                    self.step_done();
                }
                Some(Step::CloseSending) => {
                    self.step_done();
                    return Ok(Next::CloseSending);
                }
                Some(Step::Drain) => {
                    self.step_done();
                    return Ok(Next::Drain);
                }
                Some(Step::Disturb(disturbance)) => {
                    disturb(self.share, disturbance)
                        .map_err(|error| format!("cannot {disturbance:?}: {error}"))?;
                    self.step_done();
                }
                Some(Step::Expect(expectation)) => match self.expect(expectation)? {
                    Matched::Yes => self.step_done(),
                    Matched::NotYet => return Ok(Next::Receive),
                },
            }
        }
    }

    /// Reports that the first `count` bytes were sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    /// Reports that sending failed because the server has closed. What it sent before still counts.
    pub fn send_failed(&mut self) {
        while let Some(Step::Send(_) | Step::CloseSending) = self.steps.first() {
            self.step_done();
        }
    }

    /// Reports bytes from the server.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Reports that the server has closed its side.
    pub fn end(&mut self) -> Result<(), String> {
        if let Next::Send(_) = self.next_move()? {
            self.send_failed();
        }
        if self.next_move()? != Next::Receive {
            return Err("the server closed while the client was not done".to_owned());
        }
        if !self.received.is_empty() {
            return Err(format!(
                "the server closed after {:?} instead of {}",
                show(&self.received),
                self.waiting_for()
            ));
        }
        let Some(Step::Expect(Expectation::End)) = self.steps.first() else {
            return Err(format!("the server closed instead of {}", self.waiting_for()));
        };
        self.transcript.push_str("(end)\n");
        self.step_done();
        Ok(())
    }

    /// What the client waits for, as text.
    pub fn waiting_for(&self) -> String {
        match self.steps.first() {
            Some(Step::Expect(Expectation::Line(line))) => format!("{:?}", show(line)),
            Some(Step::Expect(Expectation::Body { content, .. })) => {
                format!("byte {} of {}", self.progress.offset, content.length())
            }
            Some(step) => format!("{step:?}"),
            None => "nothing more".to_owned(),
        }
    }

    /// What the server sent, without what may differ between servers.
    pub fn into_transcript(self) -> String {
        self.transcript
    }

    fn step_done(&mut self) {
        self.steps = &self.steps[1..];
        self.sending.clear();
        self.sent = 0;
        self.progress = Progress::default();
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<Matched, String> {
        match expectation {
            Expectation::Line(expected) => {
                let Some(line) = self.take_line()? else { return Ok(Matched::NotYet) };
                if line != *expected {
                    return Err(format!("{:?} came instead of {:?}", show(&line), show(expected)));
                }
                self.record(&line);
                Ok(Matched::Yes)
            }
            Expectation::Error(code) => {
                let Some(line) = self.take_line()? else { return Ok(Matched::NotYet) };
                if !is_refusal(&line, code) {
                    return Err(format!("{:?} came instead of ERR {code}", show(&line)));
                }
                self.record(format!("ERR {code}").as_bytes());
                Ok(Matched::Yes)
            }
            Expectation::Unordered(expected) => self.expect_unordered(expected),
            Expectation::Info => {
                while self.received.starts_with(b"INFO ") {
                    let Some(line) = self.take_line()? else { return Ok(Matched::NotYet) };
                    if !is_text(&line["INFO ".len()..]) {
                        return Err(format!("{:?} is no line of help", show(&line)));
                    }
                    self.progress.lines.push(line);
                }
                let unclear = b"INFO ".starts_with(&self.received[..self.received.len().min(5)]);
                match (unclear, self.progress.lines.is_empty()) {
                    (true, _) => Ok(Matched::NotYet),
                    (false, true) => Err("no line of help came".to_owned()),
                    (false, false) => {
                        self.record(b"INFO");
                        Ok(Matched::Yes)
                    }
                }
            }
            Expectation::Body { content, whole } => self.expect_body(content, *whole),
            Expectation::End if self.received.is_empty() => Ok(Matched::NotYet),
            Expectation::End => Err(format!("{:?} came instead of the end", show(&self.received))),
        }
    }

    fn expect_unordered(&mut self, expected: &[Vec<u8>]) -> Result<Matched, String> {
        while self.progress.lines.len() < expected.len() {
            let Some(line) = self.take_line()? else { return Ok(Matched::NotYet) };
            let wanted = expected.iter().filter(|other| **other == line).count();
            let found = self.progress.lines.iter().filter(|other| **other == line).count();
            if found >= wanted {
                return Err(format!("{:?} came, which is none of the lines left", show(&line)));
            }
            self.progress.lines.push(line);
        }
        for line in expected {
            self.record(line);
        }
        Ok(Matched::Yes)
    }

    fn expect_body(&mut self, content: &Content, whole: bool) -> Result<Matched, String> {
        loop {
            if self.progress.left_of_chunk > 0 {
                let left = usize::try_from(self.progress.left_of_chunk).unwrap_or(usize::MAX);
                let here = left.min(self.received.len());
                if !content.has(self.progress.offset, &self.received[..here]) {
                    return Err(format!("wrong payload from byte {} on", self.progress.offset));
                }
                self.received.drain(..here);
                self.progress.offset += here as u64;
                self.progress.left_of_chunk -= here as u64;
                if self.progress.left_of_chunk > 0 {
                    return Ok(Matched::NotYet);
                }
            }
            if whole && self.progress.offset == content.length() {
                self.record(format!("DATA {}", content.length()).as_bytes());
                return Ok(Matched::Yes);
            }
            if !whole && !b"DATA ".starts_with(&self.received[..self.received.len().min(5)]) {
                self.record(b"DATA");
                return Ok(Matched::Yes);
            }
            let Some(line) = self.take_line()? else { return Ok(Matched::NotYet) };
            self.progress.left_of_chunk = chunk_length(&line)
                .ok_or_else(|| format!("{:?} came instead of DATA", show(&line)))?;
        }
    }

    /// Removes a line and returns it without its ending, if there is one.
    fn take_line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(end) = self.received.iter().position(|&byte| byte == b'\n') else {
            return if self.received.len() < 4096 {
                Ok(None)
            } else {
                Err("a line without end".to_owned())
            };
        };
        let rest = self.received.split_off(end + 1);
        let line = std::mem::replace(&mut self.received, rest);
        match line.strip_suffix(b"\r\n") {
            Some(line) if end < 4096 => Ok(Some(self.without_version(line))),
            Some(_) => Err("a line of more than 4096 bytes".to_owned()),
            None => Err(format!("{:?} does not end with CRLF", show(&line))),
        }
    }

    /// Takes the version off the end of a line: it is another one in each run.
    fn without_version(&mut self, line: &[u8]) -> Vec<u8> {
        let word = line.iter().rposition(|byte| *byte == b' ').map(|space| &line[space + 1..]);
        match word.and_then(|word| word.strip_prefix(b"version=")) {
            Some(version) if is_version(version) => {
                self.version = version.to_vec();
                line[..line.len() - b" version=".len() - version.len()].to_vec()
            }
            _ => line.to_vec(),
        }
    }

    fn record(&mut self, line: &[u8]) {
        self.transcript.push_str(&show(line));
        self.transcript.push('\n');
    }
}

/// R-VER-1.
fn is_version(word: &[u8]) -> bool {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    (1..=64).contains(&word.len()) && word.iter().all(good)
}

/// Replaces [`VERSION`] in bytes to be sent.
fn with_version(bytes: &[u8], version: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(VERSION.len()).position(|window| window == VERSION) {
        sent.extend_from_slice(&rest[..at]);
        sent.extend_from_slice(version);
        rest = &rest[at + VERSION.len()..];
    }
    sent.extend_from_slice(rest);
    sent
}

/// The number of a `DATA` line in canonical form, 1 to 16 MiB.
fn chunk_length(line: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(line).ok()?.strip_prefix("DATA ")?;
    let length: u64 = digits.parse().ok().filter(|length| (1..=16 << 20).contains(length))?;
    (length.to_string() == digits).then_some(length)
}

/// Whether the line is an `ERR` with this code, a quoted text and well-formed options.
fn is_refusal(line: &[u8], code: &str) -> bool {
    // Enough for a text and two options, and far less than an echo of a long line would take.
    const MAX: usize = 512;
    let Some(rest) = line
        .strip_prefix(b"ERR ")
        .and_then(|rest| rest.strip_prefix(code.as_bytes()))
        .and_then(|rest| rest.strip_prefix(b" "))
    else {
        return false;
    };
    let text_end = rest.iter().rposition(|&byte| byte == b'"').map_or(0, |quote| quote + 1);
    let options = std::str::from_utf8(&rest[text_end..]).unwrap_or("?");
    let is_option = |word: &str| {
        word.split_once('=').is_some_and(|(key, value)| {
            !key.is_empty()
                && !value.is_empty()
                && key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        })
    };
    line.len() <= MAX
        && is_text(&rest[..text_end])
        && (options.is_empty()
            || options.strip_prefix(' ').is_some_and(|rest| rest.split(' ').all(is_option)))
}

/// Whether these bytes are one quoted word without control characters.
fn is_text(word: &[u8]) -> bool {
    let Ok(word) = std::str::from_utf8(word) else { return false };
    let Some(inside) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        let fine = match c {
            '\\' => matches!(chars.next(), Some('"' | '\\')),
            '"' => false,
            c => !c.is_control(),
        };
        if !fine {
            return false;
        }
    }
    word.len() >= 2
}

fn disturb(share: &Path, disturbance: &Disturbance) -> std::io::Result<()> {
    match disturbance {
        Disturbance::Truncate { path, length } => {
            OpenOptions::new().write(true).open(share.join(path))?.set_len(*length)
        }
        Disturbance::Write { path, content } => {
            let mut file = OpenOptions::new().write(true).truncate(true).open(share.join(path))?;
            tree::write(&mut file, content)
        }
        Disturbance::Replace { path, content } => {
            // Outside of the share, where the server cannot list it.
            let new = share.with_extension("new");
            tree::write(&mut File::create_new(&new)?, content)?;
            std::fs::rename(new, share.join(path))
        }
        Disturbance::Link { path, link } => std::fs::hard_link(share.join(path), share.join(link)),
    }
}

/// At most `MOST` of the bytes, as readable text.
fn show(bytes: &[u8]) -> String {
    const MOST: usize = 400;
    let text = bytes[..bytes.len().min(MOST)].escape_ascii().to_string();
    if bytes.len() > MOST { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_needs_its_code_a_quoted_text_and_proper_options() {
        for right in [
            r#"ERR busy "no""#,
            r#"ERR busy "" retry-after=5"#,
            r#"ERR busy "a \"b\" \\ c" retry-after=5 x=y"#,
        ] {
            assert!(is_refusal(right.as_bytes(), "busy"), "{right}");
        }
        for wrong in [
            "ERR busy",
            "ERR busy no",
            r#"ERR busier "no""#,
            r#"ERR busy "no" retry-after"#,
            r#"ERR busy "no"  retry-after=5"#,
            r#"ERR busy "no"x"#,
            r#"ERR busy "a"b""#,
            r#"ERR busy "a\nb""#,
            "ERR busy \"a\tb\"",
            r#"ERR busy ""#,
        ] {
            assert!(!is_refusal(wrong.as_bytes(), "busy"), "{wrong}");
        }
        let long = format!("ERR busy \"{}\"", "x".repeat(600));
        assert!(!is_refusal(long.as_bytes(), "busy"));
    }

    #[test]
    fn a_chunk_announces_a_canonical_number_of_bytes() {
        assert_eq!(chunk_length(b"DATA 16777216"), Some(16 << 20));
        for wrong in ["DATA 0", "DATA 16777217", "DATA 07", "DATA +7", "DATA", "DATA 7 ", "data 7"]
        {
            assert_eq!(chunk_length(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
