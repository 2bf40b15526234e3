//! Whole sessions of a well-behaved client that pipelines, compared with a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use haul_core::message::ServerLine;
use haul_core::server::{Server, ServerConfig, ServerEvent};
use haul_core::{Checksum, ErrorCode, Limits, Omission};
use haul_harness::{ContractChecker, Faults, MemoryFiles, Record, Run, Single};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::strategies::choices;
use crate::transcript::{check_download, replies};

/// Names that uploads write to.
const NAMES: &[&str] = &["up/one", "up/two", "notes.txt", "three words"];
/// Names of downloads: some exist at the start, some only after an upload, some never.
const SOURCES: &[&str] = &["notes.txt", "empty", "photos/sea.jpg", "up/one", "photos", "missing"];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    List {
        omitted: bool,
    },
    ListMissing,
    Help,
    Download {
        name: &'static str,
        offset: u64,
        length: Option<u64>,
    },
    Upload {
        name: &'static str,
        body: Body,
        size: Size,
        create: bool,
        executable: bool,
    },
    Delete(&'static str),
    Move {
        from: &'static str,
        to: &'static str,
        create: bool,
    },
    Copy {
        from: &'static str,
        to: &'static str,
        create: bool,
    },
    Checksum {
        name: &'static str,
        offset: u64,
        length: Option<u64>,
    },
    /// An upload that is refused because of its name, with a body that follows all the same.
    Escape(Body),
    Bad(&'static str, ErrorCode),
}

#[derive(Debug, Clone)]
pub(crate) struct Body {
    chunks: Vec<Vec<u8>>,
    close: Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    End,
    EndChecked,
    EndWrong,
    Abort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Untold,
    Right,
    TooMuch,
    TooLittle,
}

fn chunk() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 1..40),
        2 => select(vec![
            &b"LIST\r\nEXIT\r\n"[..],
            b"END\r\n",
            b"ABORT\nDOWNLOAD notes.txt\n",
            b"\n",
            b"DATA 5\r\nhello",
        ]).prop_map(<[u8]>::to_vec),
        1 => (1..9000_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let close = prop_oneof![
        3 => Just(Close::EndChecked),
        2 => Just(Close::End),
        1 => Just(Close::EndWrong),
        1 => Just(Close::Abort),
    ];
    // An ABORT right after the UPLOAD line cannot be distinguished from one outside a body while an earlier reply is
    // being sent: that is the reason for R-PIPE-4.
    (vec(chunk(), 0..5), close)
        .prop_filter("a body has begun", |(chunks, close)| {
            *close != Close::Abort || !chunks.is_empty()
        })
        .prop_map(|(chunks, close)| Body { chunks, close })
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![
        2 => Just(Size::Untold),
        3 => Just(Size::Right),
        1 => Just(Size::TooMuch),
        1 => Just(Size::TooLittle),
    ];
    prop_oneof![
        1 => any::<bool>().prop_map(|omitted| Op::List { omitted }),
        1 => Just(Op::ListMissing),
        1 => Just(Op::Help),
        4 => (select(SOURCES), 0..40_u64, option::of(0..60_000_u64))
            .prop_map(|(name, offset, length)| Op::Download { name, offset, length }),
        6 => (select(NAMES), body(), size, any::<bool>(), any::<bool>()).prop_map(
            |(name, body, size, create, executable)| Op::Upload { name, body, size, create, executable }
        ),
        2 => select(NAMES).prop_map(Op::Delete),
        2 => (select(NAMES), select(NAMES), any::<bool>())
            .prop_map(|(from, to, create)| Op::Move { from, to, create }),
        2 => (select(SOURCES), select(NAMES), any::<bool>())
            .prop_map(|(from, to, create)| Op::Copy { from, to, create }),
        1 => (select(SOURCES), 0..40_u64, option::of(0..60_000_u64))
            .prop_map(|(name, offset, length)| Op::Checksum { name, offset, length }),
        2 => body().prop_map(Op::Escape),
        2 => select(vec![
            Op::Bad("FETCH x", ErrorCode::UnknownCommand),
            Op::Bad("", ErrorCode::UnknownCommand),
            Op::Bad("DOWNLOAD", ErrorCode::BadArgument),
            Op::Bad("LIST \"a", ErrorCode::BadArgument),
            Op::Bad("LIST ../x", ErrorCode::BadName),
            Op::Bad("UPLOAD a size=01", ErrorCode::BadArgument),
            Op::Bad("LIST omitted=no", ErrorCode::BadArgument),
            Op::Bad("UPLOAD a executable=", ErrorCode::BadArgument),
        ]),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 0..10)
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    fn write(&self, out: &mut Vec<u8>) {
        for chunk in &self.chunks {
            out.extend_from_slice(format!("DATA {}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
        }
        let checksum = Checksum::of(&self.bytes());
        let close = match self.close {
            Close::End => "END\r\n".to_owned(),
            Close::EndChecked => format!("END crc64nvme={checksum}\r\n"),
            Close::EndWrong => {
                format!("end crc64nvme={}\n", Checksum::from_u64(!checksum.to_u64()))
            }
            Close::Abort => "ABORT\n".to_owned(),
        };
        out.extend_from_slice(close.as_bytes());
    }
}

impl Op {
    fn declared(body: &Body, size: Size) -> Option<u64> {
        let right = body.bytes().len() as u64;
        match size {
            Size::Untold => None,
            Size::Right => Some(right),
            Size::TooMuch => Some(right + 1),
            Size::TooLittle => Some(right.saturating_sub(1)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::List { omitted: true } => {
                out.extend_from_slice(b"LIST omitted=yes depth=all\r\n");
            }
            Self::List { omitted: false } => out.extend_from_slice(b"LIST depth=all\r\n"),
            Self::ListMissing => out.extend_from_slice(b"list \"nothing here\"\n"),
            Self::Help => out.extend_from_slice(b"HELP\r\n"),
            Self::Download { name, offset, length } => {
                let length = length.map_or_else(String::new, |length| format!(" length={length}"));
                out.extend_from_slice(
                    format!("DOWNLOAD offset={offset} \"{name}\"{length}\r\n").as_bytes(),
                );
            }
            Self::Upload { name, body, size, create, executable } => {
                let size = Self::declared(body, *size)
                    .map_or_else(String::new, |size| format!(" size={size}"));
                let mode = if *create { " mode=create" } else { "" };
                let executable = if *executable { " executable=yes" } else { "" };
                out.extend_from_slice(
                    format!("UPLOAD \"{name}\"{size}{mode}{executable}\r\n").as_bytes(),
                );
                body.write(out);
            }
            Self::Delete(name) => {
                out.extend_from_slice(format!("DELETE \"{name}\"\r\n").as_bytes());
            }
            Self::Move { from, to, create } => {
                let mode = if *create { "create" } else { "replace" };
                out.extend_from_slice(format!("MOVE \"{from}\" \"{to}\" mode={mode}\n").as_bytes());
            }
            Self::Copy { from, to, create } => {
                let mode = if *create { " mode=create" } else { "" };
                out.extend_from_slice(format!("COPY{mode} \"{from}\" \"{to}\"\r\n").as_bytes());
            }
            Self::Checksum { name, offset, length } => {
                let length = length.map_or_else(String::new, |length| format!(" length={length}"));
                out.extend_from_slice(
                    format!("CHECKSUM \"{name}\" offset={offset}{length}\r\n").as_bytes(),
                );
            }
            Self::Escape(body) => {
                out.extend_from_slice(b"UPLOAD ../escape\r\n");
                body.write(out);
            }
            Self::Bad(line, _) => out.extend_from_slice(format!("{line}\r\n").as_bytes()),
        }
    }

    /// The expected result; `files` is the shared directory, and changes.
    fn expect(&self, files: &mut BTreeMap<String, Bytes>) -> Option<ErrorCode> {
        match self {
            Self::List { .. } | Self::Help => None,
            Self::ListMissing => Some(ErrorCode::NotFound),
            Self::Download { name, offset, .. } | Self::Checksum { name, offset, .. } => {
                match read(files, name) {
                    Err(code) => Some(code),
                    Ok(data) => (*offset > data.len() as u64).then_some(ErrorCode::BadRange),
                }
            }
            Self::Delete(name) => files.remove(*name).is_none().then_some(ErrorCode::NotFound),
            Self::Move { from, to, create } => {
                if let Err(code) = read(files, from) {
                    return Some(code);
                }
                if from != to && *create && files.contains_key(*to) {
                    return Some(ErrorCode::Exists);
                }
                let data = files.remove(*from)?;
                files.insert((*to).to_owned(), data);
                None
            }
            Self::Copy { from, to, create } => {
                let data = match read(files, from) {
                    Ok(data) => data.clone(),
                    Err(code) => return Some(code),
                };
                if *create && files.contains_key(*to) {
                    return Some(ErrorCode::Exists);
                }
                files.insert((*to).to_owned(), data);
                None
            }
            Self::Upload { name, body, size, create, .. } => {
                let bytes = body.bytes();
                if *create && files.contains_key(*name) {
                    return Some(ErrorCode::Exists);
                }
                let declared = Self::declared(body, *size);
                if declared.is_some_and(|declared| declared < bytes.len() as u64) {
                    return Some(ErrorCode::SizeMismatch);
                }
                match body.close {
                    Close::Abort => return Some(ErrorCode::Aborted),
                    _ if declared.is_some_and(|declared| declared != bytes.len() as u64) => {
                        return Some(ErrorCode::SizeMismatch);
                    }
                    Close::EndWrong => return Some(ErrorCode::ChecksumMismatch),
                    Close::End | Close::EndChecked => {}
                }
                files.insert((*name).to_owned(), bytes.into());
                None
            }
            Self::Escape(_) => Some(ErrorCode::BadName),
            Self::Bad(_, code) => Some(*code),
        }
    }
}

/// The file that is read under this name, or the reason why there is none.
fn read<'a>(files: &'a BTreeMap<String, Bytes>, name: &str) -> Result<&'a Bytes, ErrorCode> {
    files.get(name).ok_or(match name {
        "photos" => ErrorCode::IsDirectory,
        _ => ErrorCode::NotFound,
    })
}

/// The input of a client for these operations, sent at once.
pub(crate) fn session(ops: &[Op]) -> Vec<u8> {
    let mut input = Vec::new();
    for op in ops {
        op.write(&mut input);
    }
    input
}

pub(crate) fn shared() -> MemoryFiles {
    fill(MemoryFiles::new(true))
}

/// Adds the files of the shared directory at the start.
pub(crate) fn fill(files: MemoryFiles) -> MemoryFiles {
    let photo: Vec<u8> = (0..50_000_u32).map(|i| i.to_le_bytes()[i as usize % 2]).collect();
    files
        .with_file("notes.txt", &b"hello world\n"[..])
        .with_file("empty", &b""[..])
        .with_file("photos/sea.jpg", photo)
        .with_omitted("pipe", Omission::Special)
}

pub(crate) fn config(chunk: usize) -> Arc<ServerConfig> {
    let limits = Limits { chunk, pass_through_chunk: chunk, list_batch: 2, ..Limits::default() };
    Arc::new(ServerConfig { limits, ..ServerConfig::default() })
}

/// The effects of the journal, without those of commits: the socket decides how many uploads share a commit, and what
/// precedes it. Writes in a row count as one, because the socket splits them. Writes of a discarded upload do not
/// count, because the socket decides how much is written before.
fn effects(files: &MemoryFiles) -> Vec<Record> {
    let mut merged: Vec<Record> = Vec::new();
    let commits = ["sync", "publish", "sync-directory"];
    for record in files.journal().iter().filter(|record| !commits.contains(&record.name)) {
        match merged.last_mut() {
            Some(last) if last.name == "write" && record.name == "write" => {
                last.bytes += record.bytes;
            }
            Some(last) if last.name == "write" && record.name == "discard" => *last = *record,
            _ => merged.push(*record),
        }
    }
    merged
}

fn play(input: &[u8], choices: &[u8], chunk: usize) -> (Run<ServerEvent>, MemoryFiles) {
    let mut files = shared();
    let mut server = Server::new(config(chunk));
    let run = Single::new(input).cut(choices).play(&mut server, &mut files);
    (run, files)
}

fn chunk_size() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1_usize), 1..20_000_usize, Just(256 << 10)]
}

proptest! {
    /// One final reply for each command, in order, and the final files of the model.
    #[test]
    fn every_command_has_one_final_reply(ops in ops(), choices in choices(), chunk in 100..70_000_usize) {
        let mut files = shared().all();
        let (run, after) = play(&session(&ops), &choices, chunk);
        let (greeting, replies) = replies(&run.output);
        prop_assert!(greeting.is_some() && run.over);
        prop_assert_eq!(replies.len(), ops.len());
        for (op, reply) in ops.iter().zip(&replies) {
            let before = files.clone();
            let expected = op.expect(&mut files);
            prop_assert_eq!(reply.code(), expected, "{:?} was answered {:?}", op, reply);
            if expected.is_some() {
                continue;
            }
            match op {
                Op::Download { name, offset, length } => {
                    check_download(reply);
                    let rest = &before[*name][usize::try_from(*offset)?..];
                    let length = length.map_or(rest.len(), |length| rest.len().min(length.try_into().unwrap_or(usize::MAX)));
                    prop_assert_eq!(&reply.payload[..], &rest[..length]);
                }
                Op::Checksum { name, offset, length } => {
                    let ServerLine::Ok(summary) = &reply.last else { unreachable!("it has no code") };
                    let rest = &before[*name][usize::try_from(*offset)?..];
                    let length = length.map_or(rest.len(), |length| rest.len().min(length.try_into().unwrap_or(usize::MAX)));
                    prop_assert_eq!(summary.size, Some(before[*name].len() as u64));
                    prop_assert_eq!(summary.length, Some(length as u64));
                    prop_assert_eq!(summary.checksum, Some(Checksum::of(&rest[..length])));
                }
                Op::Upload { name, .. } | Op::Copy { to: name, .. } => {
                    let ServerLine::Ok(receipt) = &reply.last else { unreachable!("it has no code") };
                    prop_assert_eq!(receipt.size, Some(files[*name].len() as u64));
                    prop_assert_eq!(receipt.checksum, Some(Checksum::of(&files[*name])));
                }
                Op::List { omitted } => {
                    let ServerLine::Ok(summary) = &reply.last else { unreachable!("it has no code") };
                    let told = u64::from(*omitted);
                    prop_assert_eq!(summary.entries, Some(reply.lines.len() as u64 - told));
                    prop_assert_eq!(summary.omitted, omitted.then_some(told));
                    let listed = reply.lines.iter().filter(|line| matches!(line, ServerLine::Entry(haul_core::Entry::File { .. }))).count();
                    prop_assert_eq!(listed, files.len());
                }
                _ => {}
            }
        }
        prop_assert_eq!(after.all(), files);
        prop_assert!(!after.has_open());
    }

    /// However input and output are split: the same transcript, the same events, the same effects.
    #[test]
    fn any_cut_gives_the_same(ops in ops(), tail in prop_oneof![Just(""), Just("EXIT\r\nLIST\r\n"), Just("LIST"), Just("UPLOAD x\nDATA 9\nabc"), Just("UPLOAD x\nDATA 0\n"), Just("DATA 1\nx"), Just("\u{1}")], choices in choices(), chunk in chunk_size()) {
        let mut input = session(&ops);
        input.extend_from_slice(tail.as_bytes());
        let (whole, whole_files) = play(&input, &[], chunk);
        let (cut, cut_files) = play(&input, &choices, chunk);
        prop_assert_eq!(whole.text(), cut.text());
        prop_assert_eq!(whole.output, cut.output);
        prop_assert_eq!(whole.events, cut.events);
        prop_assert_eq!(whole_files.all(), cut_files.all());
        prop_assert_eq!(effects(&whole_files), effects(&cut_files));
        prop_assert_eq!(whole_files.count("publish"), cut_files.count("publish"));
    }

    /// Events report each command once, in order, with its number.
    #[test]
    fn events_tell_of_every_command(ops in ops(), choices in choices()) {
        let (run, _) = play(&session(&ops), &choices, 10_000);
        let (_, replies) = replies(&run.output);
        prop_assert_eq!(run.events.len(), ops.len());
        for (at, (event, reply)) in run.events.iter().zip(&replies).enumerate() {
            let ServerEvent::Answered { id, reply: told, .. } = event else {
                return Err(TestCaseError::fail(format!("{event:?}")));
            };
            prop_assert_eq!(id.0, at as u64 + 1);
            prop_assert_eq!(told.as_ref().err().and_then(haul_core::message::Refusal::code), reply.code());
        }
    }

    /// Polling twice, reports that do not fit, and abandoned reads change nothing.
    #[test]
    fn a_clumsy_transport_changes_nothing(ops in vec(op(), 0..4), choices in choices()) {
        let input = session(&ops);
        let (plain, plain_files) = play(&input, &choices, 10_000);
        let mut files = shared();
        let mut server = ContractChecker(Server::new(config(10_000)));
        let checked = Single::new(&input).cut(&choices).play(&mut server, &mut files);
        prop_assert_eq!(plain.text(), checked.text());
        prop_assert_eq!(plain.events, checked.events);
        prop_assert_eq!(plain_files.all(), files.all());
    }

    /// Storage that answers in small pieces changes how payload is split and nothing else.
    #[test]
    fn short_reads_change_nothing(name in select(&SOURCES[..3]), offset in 0..12_u64, short in 1..700_usize, chunk in chunk_size()) {
        let faults = Faults { short_reads: Some(short), ..Faults::default() };
        let mut files = shared().with_faults(faults);
        let input = format!("DOWNLOAD {name} offset={offset} length=2000\n");
        let run = Single::new(input.as_bytes()).play(&mut Server::new(config(chunk)), &mut files);
        let (_, replies) = replies(&run.output);
        let whole = shared();
        let whole = whole.file(name).expect("a shared file");
        if let Some(rest) = whole.get(usize::try_from(offset)?..) {
            check_download(&replies[0]);
            prop_assert_eq!(&replies[0].payload[..], &rest[..rest.len().min(2000)]);
        } else {
            prop_assert_eq!(replies[0].code(), Some(ErrorCode::BadRange));
        }
    }
}
