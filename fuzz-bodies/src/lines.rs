//! Where lines end, and which of them end a session.

use std::sync::Arc;

use haul_core::message::Refusal;
use haul_core::server::{Server, ServerConfig};
use haul_core::verb::Exit;
use haul_core::{ClientLine, Command};
use haul_core::{ErrorCode, Limits};
use haul_harness::reference_parser::{self, Reading};
use haul_harness::{MemoryFiles, Single};

use crate::transcript;

/// The reply that a line must get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// It depends on the files.
    Any,
    Refused,
    Goodbye,
    /// The server closes after it.
    Fault,
}

/// The client sends what follows the first four bytes, which decide how it is cut.
///
/// # Panics
/// When the server does not reply once to each line that a simple splitting of the input finds, or goes on after the
/// session is over.
pub fn lines(data: &[u8]) {
    let Some((cuts, input)) = data.split_first_chunk::<4>() else { return };
    let Some(expected) = expected(input) else { return };
    let mut files = MemoryFiles::new(true).with_file("notes.txt", b"hello world\n".as_slice());
    let single = Single { choices: cuts, ..Single::new(input) };
    // A large buffer would only take time.
    let limits = Limits { chunk: Limits::GATHER, ..Limits::default() };
    let config = ServerConfig { limits, ..ServerConfig::default() };
    let run = single.play(&mut Server::new(Arc::new(config)), &mut files);
    assert!(run.over, "it waits for ever");
    let replies = transcript::replies(&run.output);
    assert_eq!(replies.len(), expected.len(), "{expected:?}, but {}", run.text());
    for (reply, expected) in replies.iter().zip(expected) {
        let code = reply.as_ref().err().and_then(Refusal::code);
        let fits = match expected {
            Reply::Any => code != Some(ErrorCode::Protocol),
            Reply::Refused => reply.is_err() && code != Some(ErrorCode::Protocol),
            Reply::Goodbye => reply.is_ok(),
            Reply::Fault => code == Some(ErrorCode::Protocol),
        };
        assert!(fits, "{reply:?} is not {expected:?}");
    }
}

/// The replies, by R-LINE and the reference parser. `None` if there are bodies or an `ABORT`, which other targets
/// check.
fn expected(mut input: &[u8]) -> Option<Vec<Reply>> {
    let mut replies = Vec::new();
    while !input.is_empty() {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        input = rest;
        let reply = match text(line).map(reference_parser::read) {
            None | Some(Reading::Fatal) => Reply::Fault,
            Some(Reading::Refused) => Reply::Refused,
            Some(Reading::Line(ClientLine::Command(Command::Exit(Exit)))) => Reply::Goodbye,
            Some(Reading::Line(ClientLine::Command(Command::Upload(_)))) => return None,
            Some(Reading::Line(ClientLine::Command(_))) => Reply::Any,
            Some(Reading::Line(_)) => return None,
        };
        replies.push(reply);
        if matches!(reply, Reply::Fault | Reply::Goodbye) {
            break;
        }
    }
    Some(replies)
}

/// The text of a line with its ending, if it keeps the rules.
fn text(line: &[u8]) -> Option<&str> {
    let text = line.strip_suffix(b"\n").filter(|_| line.len() <= Limits::MAX_LINE)?;
    let text = std::str::from_utf8(text.strip_suffix(b"\r").unwrap_or(text)).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}
