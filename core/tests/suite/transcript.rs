//! Parses the output of a server.

use haul_core::message::{Greeting, ServerLine};
use haul_core::{Checksum, ErrorCode};

/// One reply: its lines and payload, and the final `OK` or `ERR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) lines: Vec<ServerLine>,
    pub(crate) payload: Vec<u8>,
    pub(crate) last: ServerLine,
}

impl Reply {
    /// The code of an `ERR`; `None` for an `OK`.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match &self.last {
            ServerLine::Err(refusal) => Some(refusal.code().expect("a server knows its codes")),
            _ => None,
        }
    }
}

/// The greeting and the replies; panics if the output is anything else.
pub(crate) fn replies(output: &[u8]) -> (Option<Greeting>, Vec<Reply>) {
    let (greeting, replies, rest) = take_apart(output);
    assert!(rest.is_empty(), "a reply is not whole: {:?}", String::from_utf8_lossy(rest));
    (greeting, replies)
}

/// As [`replies`], for an output that was cut off: incomplete replies are left out.
pub(crate) fn whole_replies(output: &[u8]) -> Vec<Reply> {
    take_apart(output).1
}

fn take_apart(output: &[u8]) -> (Option<Greeting>, Vec<Reply>, &[u8]) {
    let (mut greeting, mut all) = (None, Vec::new());
    let (mut lines, mut payload) = (Vec::new(), Vec::new());
    let (mut rest, mut start) = (output, output);
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let text = std::str::from_utf8(&rest[..end]).expect("lines are UTF-8");
        let line = ServerLine::parse(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        rest = &rest[end + 2..];
        match line {
            ServerLine::Greeting(said) => {
                assert!(
                    start.len() == output.len() && greeting.is_none(),
                    "a greeting comes first"
                );
                greeting = Some(said);
                start = rest;
            }
            ServerLine::Data(length) => {
                let length = usize::try_from(length).expect("a chunk fits");
                if rest.len() < length {
                    break;
                }
                payload.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
                lines.push(ServerLine::Data(length as u64));
            }
            last @ (ServerLine::Ok(_) | ServerLine::Err(_)) => {
                let (lines, payload) = (std::mem::take(&mut lines), std::mem::take(&mut payload));
                all.push(Reply { lines, payload, last });
                start = rest;
            }
            line => lines.push(line),
        }
    }
    (greeting, all, start)
}

/// A download must match its announcement: the lengths add up and the checksum is right.
pub(crate) fn check_download(reply: &Reply) {
    let ServerLine::Ok(summary) = &reply.last else {
        panic!("the download failed: {:?}", reply.last);
    };
    let Some(ServerLine::Sending(sending)) = reply.lines.first() else {
        panic!("no SENDING: {:?}", reply.lines);
    };
    assert_eq!(sending.length, reply.payload.len() as u64);
    assert_eq!(summary.length, Some(sending.length));
    assert_eq!(summary.checksum, Some(Checksum::of(&reply.payload)));
}
