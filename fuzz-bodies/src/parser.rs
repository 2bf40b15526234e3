//! Lines, names, numbers and times, parsed from anything.

use haul_core::ClientLine;
use haul_core::message::{Refusal, ServerLine};
use haul_core::{Checksum, ErrorCode, Limits, Timestamp};
use haul_harness::reference_parser::{self, Reading};

use crate::paths;
use crate::words::comes_back;

/// Parses each line of `data` as everything that a line can be.
///
/// # Panics
/// When encoding does not give the parsed text again, when the reference parser disagrees, or when a text for people
/// could harm a terminal.
pub fn parser(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        paths::read(text);
        time(text);
        checksum(text);
        let is_line = text.len() <= Limits::MAX_LINE - 2 && !text.contains(char::is_control);
        // Neither parser ever gets any other text, but none may make it panic.
        let (from_client, from_server) = (ClientLine::parse(text), ServerLine::parse(text));
        if is_line {
            assert_eq!(reference_parser::read(text), reading(text, &from_client), "{text:?}");
            if let Ok(line) = from_client {
                comes_back(&line, |text| ClientLine::parse(text).ok(), ClientLine::encode);
            }
            if let Ok(line) = from_server.map(as_sent) {
                comes_back(&line, |text| ServerLine::parse(text).ok(), ServerLine::encode);
            }
        }
    }
}

fn reading(text: &str, outcome: &Result<ClientLine, haul_core::message::LineError>) -> Reading {
    match outcome {
        Ok(line) => Reading::Line(line.clone()),
        Err(error) => {
            assert!(
                error.text.len() < 200 && !error.text.contains(char::is_control),
                "{text:?}: {error:?}"
            );
            if error.code == ErrorCode::Protocol { Reading::Fatal } else { Reading::Refused }
        }
    }
}

/// A server's line as a server of this project could have sent it: texts are cut when they are sent, and codes are
/// known ones.
fn as_sent(mut line: ServerLine) -> ServerLine {
    let cut = |text: &str| text[..text.floor_char_boundary(1024)].to_owned();
    match &mut line {
        ServerLine::Greeting(greeting) => greeting.banner = cut(&greeting.banner),
        ServerLine::Info(text) => *text = cut(text),
        ServerLine::Ok(summary) => {
            summary.text = summary.text.as_ref().map(|text| cut(text).into());
        }
        ServerLine::Err(refusal) => {
            let code = refusal.code().unwrap_or(ErrorCode::Io);
            *refusal = Refusal {
                retry_after: refusal.retry_after,
                ..Refusal::new(code, cut(&refusal.text))
            };
        }
        ServerLine::Entry(_)
        | ServerLine::Sending(_)
        | ServerLine::Data(_)
        | ServerLine::Grant(_)
        | ServerLine::Ready => {}
    }
    line
}

fn time(text: &str) {
    let Some(time) = Timestamp::parse(text) else { return };
    assert_eq!(Timestamp::parse(&time.to_string()), Some(time), "{text:?}");
    assert_eq!(Timestamp::new(time.seconds(), time.nanos()), Some(time), "{text:?}");
}

fn checksum(text: &str) {
    if let Some(checksum) = Checksum::parse(text) {
        assert_eq!(checksum.to_string(), text);
    }
}
