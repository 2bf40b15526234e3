//! Peers that send anything: lines of the grammar, right or nearly right, and noise.

use std::collections::VecDeque;
use std::fmt::Write as _;

use haul_core::Checksum;
use haul_harness::Random;

use crate::drive::Turn;
use crate::pipe::{Io, Pipe};
use crate::plan::{DIRECTORIES, NAMES, Task, What};

/// What it does when it has sent everything.
#[derive(Debug, Clone, Copy)]
enum End {
    Silence,
    HalfClose,
    Close,
}

/// A peer with a script.
#[derive(Debug)]
pub(super) struct Hostile {
    script: VecDeque<u8>,
    /// Whether it reads what it is sent.
    listens: bool,
    end: End,
}

impl Hostile {
    fn new(mut script: Vec<u8>, random: &mut Random) -> Self {
        if random.one_in(2) {
            for _ in 0..random.between(1, 4) {
                mutate(&mut script, random);
            }
        }
        let end = random.pick(&[End::Silence, End::HalfClose, End::Close]);
        Self { script: script.into(), listens: !random.one_in(5), end }
    }

    pub(super) fn client(random: &mut Random) -> Self {
        let mut script = Vec::new();
        for _ in 0..random.between(1, 12) {
            client_line(&mut script, random);
        }
        Self::new(script, random)
    }

    /// Answers what its client will ask, rightly or not.
    pub(super) fn server(tasks: &[Task], random: &mut Random) -> Self {
        let mut script = b"HAUL/1 \"Welcome\" max-data=5000 pipeline=3\r\n".to_vec();
        for task in tasks {
            server_reply(&mut script, &task.what, random);
        }
        script.extend_from_slice(b"OK \"bye\"\r\n");
        Self::new(script, random)
    }

    pub(super) fn turn(
        &mut self,
        incoming: &mut Pipe,
        outgoing: &mut Pipe,
        random: &mut Random,
    ) -> Turn {
        let mut acted = Turn::Blocked;
        if self.listens {
            let mut space = [0; 2048];
            match incoming.read(&mut space) {
                Io::Moved(0) | Io::Failed if self.script.is_empty() => return Turn::Over,
                Io::Moved(0) | Io::Failed => self.listens = false,
                Io::Moved(_) => acted = Turn::Acted,
                Io::Blocked => {}
            }
        }
        match outgoing.room() {
            Io::Moved(room) if !self.script.is_empty() => {
                let count = random.size(self.script.len()).min(room);
                let piece: Vec<u8> = self.script.drain(..count).collect();
                outgoing.write(&piece);
                return Turn::Acted;
            }
            Io::Failed if !self.script.is_empty() => {
                self.script.clear();
                return Turn::Acted;
            }
            _ => {}
        }
        if self.script.is_empty() {
            match self.end {
                End::Silence => {}
                End::Close => return Turn::Over,
                End::HalfClose => {
                    outgoing.end();
                    self.end = End::Silence;
                    return Turn::Acted;
                }
            }
        }
        acted
    }
}

fn mutate(script: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(script.len());
    let end = script.len().min(at + random.between(1, 40));
    match random.below(4) {
        0 => drop(script.drain(at..end)),
        1 => {
            let again = script[at..end].to_vec();
            script.splice(at..at, again);
        }
        2 => {
            let count = random.between(1, 60);
            let noise = random.bytes(count);
            script.splice(at..end, noise);
        }
        _ => {
            if let Some(byte) = script.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

fn line(script: &mut Vec<u8>, text: impl AsRef<str>) {
    script.extend_from_slice(text.as_ref().as_bytes());
    script.extend_from_slice(b"\r\n");
}

/// Payload in a few `DATA` chunks; returns its checksum.
fn payload(script: &mut Vec<u8>, size: usize, random: &mut Random) -> Checksum {
    let data = random.bytes(size);
    let mut rest = data.as_slice();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.size(rest.len()));
        line(script, format!("DATA {}", piece.len()));
        script.extend_from_slice(piece);
        rest = after;
    }
    if random.one_in(6) { Checksum::from_u64(random.next_u64()) } else { Checksum::of(&data) }
}

fn client_line(script: &mut Vec<u8>, random: &mut Random) {
    let name = random.pick(NAMES);
    match random.below(18) {
        14.. => change(script, name, random),
        0 => line(
            script,
            random.pick(&["LIST", "LIST depth=all", "list \"d\" depth=2", "LIST missing"]),
        ),
        1 => {
            line(
                script,
                random.pick(&[
                    "HELP",
                    "EXIT",
                    "ABORT",
                    "",
                    "POST / HTTP/1.1",
                    "MOVE a",
                    "FETCH a b",
                ]),
            );
        }
        2 => line(script, format!("DATA {}", random.next_u64() >> random.below(64))),
        3 => {
            let count = random.between(1, 200);
            script.extend(random.bytes(count));
        }
        4 => line(script, "x".repeat(random.between(4000, 5000))),
        5 => line(script, format!("UPLOAD \"{name}\" size={} mode=create", random.below(4000))),
        6..9 => line(script, format!("DOWNLOAD \"{name}\" offset={}", random.below(900))),
        _ => {
            let size = random.below(4000);
            let mut command = format!("UPLOAD \"{name}\"");
            if random.one_in(2) {
                let _ = write!(command, " size={}", size + random.below(6) / 5);
            }
            line(script, command);
            let checksum = payload(script, size, random);
            match random.below(6) {
                0 => line(script, "ABORT"),
                1 => line(script, "END"),
                2 => {}
                _ => line(script, format!("END crc64nvme={checksum}")),
            }
        }
    }
}

/// A command that changes names, or reads a whole file.
fn change(script: &mut Vec<u8>, name: &str, random: &mut Random) {
    let others = if random.one_in(3) { DIRECTORIES } else { NAMES };
    let other = random.pick(others);
    let mut command = match random.below(6) {
        0 => format!("DELETE \"{name}\""),
        1 => format!("DELETE \"{other}\""),
        2 => format!("MKDIR \"{other}\""),
        3 => format!("MOVE \"{name}\" \"{other}\""),
        4 => format!("COPY \"{name}\" \"{other}\""),
        _ => format!("CHECKSUM \"{name}\""),
    };
    command.push_str(random.pick(&["", "", "", " if-match=0-0", " mode=create", " length=9"]));
    line(script, command);
}

fn server_reply(script: &mut Vec<u8>, what: &What, random: &mut Random) {
    if random.one_in(6) {
        line(
            script,
            random.pick(&["ERR io \"no\"", "ERR busy \"no\"", "ERR strange \"no\"", "OK", "READY"]),
        );
        return;
    }
    match what {
        What::List { .. } => {
            line(script, "FILE \"x\" size=3 modified=2026-11-22T08:31:25Z");
            line(script, random.pick(&["OK entries=1", "OK entries=2", "OK"]));
        }
        What::Help => {
            line(script, "INFO \"nothing\"");
            line(script, "OK");
        }
        What::Download { offset, length, .. } => {
            let size = random.between(1, 5000) as u64;
            let length = length.unwrap_or(u64::MAX).min(size.saturating_sub(*offset));
            line(
                script,
                format!(
                    "SENDING size={size} offset={offset} length={length} modified=2026-11-22T08:31:25Z"
                ),
            );
            let sent = usize::try_from(length).unwrap_or(0) + random.below(8) / 7;
            let checksum = payload(script, sent, random);
            line(script, format!("OK length={length} crc64nvme={checksum}"));
        }
        What::Delete { .. } | What::MakeDirectory { .. } | What::Move { .. } => {
            line(
                script,
                random.pick(&["OK", "OK \"done\"", "OK version=1", "ERR not-empty \"no\""]),
            );
        }
        What::Copy { .. } | What::Checksum { .. } => {
            let checksum = Checksum::from_u64(random.next_u64());
            let length = random.pick(&["", " length=3"]);
            line(script, format!("OK size=5{length} crc64nvme={checksum} version=1"));
        }
        What::Upload { size, .. } => {
            line(script, "READY");
            line(
                script,
                format!("OK size={size} crc64nvme={}", Checksum::from_u64(random.next_u64())),
            );
        }
    }
}
