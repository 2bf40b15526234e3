//! Strategies for texts and lines. Strategies built from others are boxed, because they are too large for the stack of
//! a test's thread otherwise.

use std::borrow::Cow;
use std::num::NonZeroU64;

use haul_core::account::{Grant, Proof, Quota, Right, Rights, Secret, UserName};
use haul_core::message::{Greeting, MAX_NUMBER, Refusal, Sending, ServerLine, Summary};
use haul_core::verb::{
    self, Auth, Copy, Delete, Download, Exit, Help, List, MakeDirectory, Move, Upload, WhoAmI,
};
use haul_core::{
    Checksum, ClientLine, Command, Depth, Entry, ErrorCode, FilePath, Limits, Mode, Omission,
    Timestamp, Version,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A property whose cases are large: an eighth of the usual number.
pub(crate) fn few_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(8), ..usual }
}

/// Decides sizes and turns; see `Choices`.
pub(crate) fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..24)
}

pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..=9_u64, 0..=MAX_NUMBER, Just(MAX_NUMBER), Just(MAX_NUMBER - 1)]
}

/// A valid path, sometimes with difficult parts: spaces, quotes, `=`, other scripts, and names that look like commands.
pub(crate) fn path() -> BoxedStrategy<FilePath> {
    let component = prop_oneof![
        "[a-z0-9]{1,8}",
        "[ -\\[\\]-~]{1,12}",
        select(vec![
            "a=b",
            "say \"hi\"",
            "ä→水",
            "HTTP/1.1 x",
            "END",
            "a".repeat(255).leak(),
            ".hidden",
            " "
        ])
        .prop_map(String::from),
    ];
    vec(component, 1..4)
        .prop_map(|parts| parts.join("/"))
        .prop_filter_map("a path", |text| FilePath::parse(&text).ok())
        .boxed()
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![-62_167_219_200_i64..=253_402_300_799, 0..=2_000_000_000_i64];
    let nanos =
        prop_oneof![Just(0), 0..1_000_000_000_u32, (0..1000_u32).prop_map(|ms| ms * 1_000_000)];
    (seconds, nanos).prop_filter_map("a time", |(seconds, nanos)| Timestamp::new(seconds, nanos))
}

pub(crate) fn checksum() -> impl Strategy<Value = Checksum> {
    any::<u64>().prop_map(Checksum::from_u64)
}

fn depth() -> impl Strategy<Value = Depth> {
    prop_oneof![
        Just(Depth::ONE),
        Just(Depth::All),
        (1..=MAX_NUMBER)
            .prop_map(|levels| NonZeroU64::new(levels).map_or(Depth::All, Depth::Levels)),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Replace, Mode::Create])
}

fn version() -> impl Strategy<Value = Version> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|word| Version::parse(&word).expect("it has the form of one"))
}

fn if_match() -> impl Strategy<Value = Option<Version>> {
    option::of(version())
}

pub(crate) fn user() -> impl Strategy<Value = UserName> {
    "[a-z0-9][a-z0-9._-]{0,63}".prop_map(|name| UserName::parse(&name).expect("it is a name"))
}

fn secret() -> impl Strategy<Value = Secret> {
    let text = prop_oneof!["[ -~]{1,40}", "\\PC{1,40}", Just("\"\\".repeat(512))]
        .prop_filter("no control characters", |text| !text.chars().any(char::is_control));
    text.prop_filter_map("a secret", Secret::new)
}

fn grant() -> impl Strategy<Value = Grant> {
    (option::of(path()), subsequence(Right::ALL.to_vec(), 0..=Right::ALL.len()))
        .prop_map(|(path, rights)| Grant { path, rights: Rights::of(&rights) })
}

fn command() -> BoxedStrategy<Command> {
    prop_oneof![
        (option::of(path()), depth(), any::<bool>())
            .prop_map(|(path, depth, omitted)| Command::List(List { path, depth, omitted })),
        (path(), number(), option::of(number()), if_match()).prop_map(
            |(path, offset, length, if_match)| {
                Command::Download(Download { path, offset, length, if_match })
            }
        ),
        (path(), option::of(number()), mode(), option::of(timestamp()), any::<bool>(), if_match())
            .prop_map(|(path, size, mode, modified, executable, if_match)| {
                let if_match = if_match.filter(|_| mode == Mode::Replace);
                Command::Upload(Upload { path, size, mode, modified, executable, if_match })
            }),
        (path(), if_match())
            .prop_map(|(path, if_match)| Command::Delete(Delete { path, if_match })),
        path().prop_map(|path| Command::MakeDirectory(MakeDirectory { path })),
        (path(), path(), mode(), if_match()).prop_map(|(from, to, mode, if_match)| {
            Command::Move(Move { from, to, mode, if_match })
        }),
        (path(), path(), mode(), if_match()).prop_map(|(from, to, mode, if_match)| {
            Command::Copy(Copy { from, to, mode, if_match })
        }),
        (path(), number(), option::of(number()), if_match()).prop_map(
            |(path, offset, length, if_match)| {
                Command::Checksum(verb::Checksum { path, offset, length, if_match })
            }
        ),
        (user(), any::<bool>(), secret()).prop_map(|(user, invites, secret)| {
            let proof = if invites { Proof::Invite(secret) } else { Proof::Password(secret) };
            Command::Auth(Auth { user, proof })
        }),
        Just(Command::WhoAmI(WhoAmI)),
        Just(Command::Help(Help)),
        Just(Command::Exit(Exit)),
    ]
    .boxed()
}

pub(crate) fn client_line() -> BoxedStrategy<ClientLine> {
    prop_oneof![
        4 => command().prop_map(ClientLine::Command),
        1 => (1..=Limits::MAX_DATA).prop_map(ClientLine::Data),
        1 => option::of(checksum()).prop_map(|checksum| ClientLine::End { checksum }),
        1 => Just(ClientLine::Abort),
    ]
    .boxed()
}

/// A text for people that fits into a line.
fn text() -> BoxedStrategy<String> {
    prop_oneof!["[ -~]{0,40}", "\\PC{0,40}", Just("\"\\".repeat(512))]
        .prop_filter("no control characters", |text| !text.chars().any(char::is_control))
        .boxed()
}

fn summary() -> BoxedStrategy<Summary> {
    let account = (option::of(user()), option::of((number(), number())));
    let number = || option::of(number());
    let numbers = (number(), number(), number(), number(), number());
    (option::of(text()), numbers, option::of(checksum()), option::of(version()), account)
        .prop_map(|(text, numbers, checksum, version, (user, quota))| {
            let (entries, omitted, skipped, length, size) = numbers;
            Summary {
                text: text.map(Cow::Owned),
                entries,
                omitted,
                skipped,
                length,
                size,
                checksum,
                version,
                user,
                quota: quota.map(|(limit, used)| Quota { limit, used }),
            }
        })
        .boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    let word = prop_oneof![
        select(ErrorCode::ALL.to_vec()).prop_map(|code| Cow::Borrowed(code.as_str())),
        "[a-z-]{1,20}".prop_map(Cow::Owned),
    ];
    (word, text(), option::of(number()))
        .prop_map(|(word, text, retry_after)| Refusal { word, text: Cow::Owned(text), retry_after })
        .boxed()
}

pub(crate) fn server_line() -> BoxedStrategy<ServerLine> {
    prop_oneof![
        (text(), 1..=Limits::MAX_DATA, 1..=MAX_NUMBER, any::<bool>(), option::of(user())).prop_map(
            |(banner, max_data, pipeline, auth_required, user)| {
                ServerLine::Greeting(Greeting { banner, max_data, pipeline, auth_required, user })
            }
        ),
        grant().prop_map(ServerLine::Grant),
        (path(), number(), timestamp(), any::<bool>()).prop_map(
            |(path, size, modified, executable)| {
                ServerLine::Entry(Entry::File { path, size, modified, executable })
            }
        ),
        (path(), option::of(select(vec![ErrorCode::Denied, ErrorCode::Io])), any::<bool>())
            .prop_map(|(path, error, link)| {
                ServerLine::Entry(Entry::Directory { path, error, link })
            }),
        (text(), select(Omission::ALL.to_vec()))
            .prop_map(|(shown, reason)| ServerLine::Entry(Entry::Omitted { shown, reason })),
        (number(), number(), number(), timestamp(), any::<bool>(), option::of(version())).prop_map(
            |(size, offset, length, modified, executable, version)| {
                ServerLine::Sending(Sending { size, offset, length, modified, executable, version })
            }
        ),
        (1..=Limits::MAX_DATA).prop_map(ServerLine::Data),
        Just(ServerLine::Ready),
        text().prop_map(ServerLine::Info),
        summary().prop_map(ServerLine::Ok),
        refusal().prop_map(ServerLine::Err),
    ]
    .boxed()
}

/// A line that is almost one of the protocol's: pieces of the grammar in any order.
pub(crate) fn near_line() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        select(vec![
            "LIST", "list", "DOWNLOAD", "UPLOAD", "DELETE", "MKDIR", "MOVE", "COPY", "CHECKSUM",
            "HELP", "EXIT", "QUIT", "Bye", "DATA", "data", "END", "ABORT", "HAUL/1", "FILE", "DIR",
            "SENDING", "READY", "INFO", "OK", "ERR", "HTTP/1.1",
        ])
        .prop_map(String::from),
        select(vec![
            "depth=",
            "offset=",
            "length=",
            "size=",
            "mode=",
            "modified=",
            "crc64nvme=",
            "max-data=",
            "pipeline=",
            "entries=",
            "skipped=",
            "retry-after=",
            "x=",
            "=",
            "\"",
            "\\",
            "\\\"",
            "\\\\",
            "/",
            "..",
            ".",
            "all",
            "create",
            "replace",
            "0",
            "1",
            "12",
            "007",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "ae8b14860a799888",
            "2026-11-22T08:31:25Z",
            "2026-11-22T08:31:25.5Z",
            "\u{a0}",
            "é",
            "busy",
        ])
        .prop_map(String::from),
        "[a-z]{1,4}",
        "\"[a-z .=/]{0,9}\"",
    ];
    let gap = select(vec!["", " ", " ", " ", "  "]);
    vec((piece, gap), 0..9)
        .prop_map(|pieces| {
            pieces.into_iter().fold(String::new(), |line, (piece, gap)| line + &piece + gap)
        })
        .boxed()
}

/// Text that may occur in a line.
pub(crate) fn any_line() -> BoxedStrategy<String> {
    prop_oneof![
        6 => near_line(),
        1 => "\\PC{0,60}",
        1 => client_line().prop_map(|line| line.to_string()),
        1 => server_line().prop_map(|line| line.to_string()),
    ]
    .prop_map(|text| text.chars().filter(|c| !c.is_control()).collect())
    .boxed()
}
