//! Parses what a machine has sent.

use haul_core::Checksum;
use haul_core::ClientLine;
use haul_core::message::{Refusal, ServerLine, Summary};
use haul_harness::reference_parser::{self, Reading};

/// The final replies in what a server sent, which may end anywhere.
///
/// # Panics
/// When it does not begin with a greeting, has an invalid line, or has payload that differs from what was announced.
pub(super) fn replies(output: &[u8]) -> Vec<Result<Summary, Refusal>> {
    let mut rest = output;
    let mut finals = Vec::new();
    let mut announced = None;
    let mut payload = Vec::new();
    let mut first = true;
    while let Some(line) = next_line(&mut rest) {
        let line = ServerLine::parse(line).expect("a server sends lines of the protocol");
        assert!(
            !first || matches!(line, ServerLine::Greeting(_) | ServerLine::Err(_)),
            "{line:?} comes first"
        );
        first = false;
        match line {
            ServerLine::Sending(sending) => {
                announced = Some(sending.length);
                payload.clear();
            }
            ServerLine::Data(length) => {
                assert!(announced.is_some(), "payload comes before SENDING");
                payload.extend_from_slice(take(&mut rest, length));
            }
            ServerLine::Ok(summary) => {
                if let Some(length) = announced.take() {
                    assert_eq!((payload.len() as u64, summary.length), (length, Some(length)));
                    assert_eq!(summary.checksum, Some(Checksum::of(&payload)));
                }
                finals.push(Ok(summary));
            }
            ServerLine::Err(refusal) => {
                announced = None;
                finals.push(Err(refusal));
            }
            ServerLine::Greeting(_)
            | ServerLine::Entry(_)
            | ServerLine::Ready
            | ServerLine::Grant(_)
            | ServerLine::Info(_) => {}
        }
    }
    finals
}

/// Checks that what a client sent, which may end anywhere, is lines and payload.
///
/// # Panics
/// When it is not.
pub(super) fn check_client(output: &[u8]) {
    let mut rest = output;
    while let Some(line) = next_line(&mut rest) {
        match reference_parser::read(line) {
            Reading::Line(ClientLine::Data(length)) => {
                take(&mut rest, length);
            }
            Reading::Line(_) => {}
            Reading::Refused | Reading::Fatal => panic!("a client sends {line:?}"),
        }
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at(end + 1);
    *rest = after;
    let line = line.strip_suffix(b"\r\n").expect("lines end with CRLF");
    Some(std::str::from_utf8(line).expect("lines are UTF-8"))
}

/// Splits payload off, or as much of it as there is.
fn take<'a>(rest: &mut &'a [u8], length: u64) -> &'a [u8] {
    let there = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
    let (payload, after) = rest.split_at(there);
    *rest = after;
    payload
}
