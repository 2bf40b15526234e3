//! Lines made of any values. Parsing them must give the same values.

use std::fmt::Debug;

use bytes::BytesMut;
use haul_core::account::{Grant, Proof, Quota, Right, Rights, Secret, UserName};
use haul_core::message::{Entry, Greeting, MAX_NUMBER, Refusal, Sending, ServerLine, Summary};
use haul_core::verb::{
    self, Auth, Copy, Delete, Download, Exit, Help, List, MakeDirectory, Move, Upload, WhoAmI,
};
use haul_core::{Checksum, Depth, ErrorCode, FilePath, Limits, Mode, Omission, Timestamp, Version};
use haul_core::{ClientLine, Command};
use haul_harness::reference_parser::{self, Reading};

/// Makes lines of `data`, writes them and parses them.
///
/// # Panics
/// When the parsed line differs from the one that was written, the line is too long, or the reference parser disagrees.
pub fn words(data: &[u8]) {
    let mut values = Values(data);
    while !values.0.is_empty() {
        if values.flag() {
            if let Some(line) = values.client_line() {
                let text =
                    comes_back(&line, |text| ClientLine::parse(text).ok(), ClientLine::encode);
                assert_eq!(reference_parser::read(&text), Reading::Line(line), "{text:?}");
            }
        } else if let Some(line) = values.server_line() {
            comes_back(&line, |text| ServerLine::parse(text).ok(), ServerLine::encode);
        }
    }
}

/// Writes a line, parses it and returns its text.
pub(super) fn comes_back<T: PartialEq + Debug>(
    line: &T,
    parse: impl Fn(&str) -> Option<T>,
    encode: impl Fn(&T, &mut BytesMut),
) -> String {
    let mut bytes = BytesMut::new();
    encode(line, &mut bytes);
    assert!(bytes.len() <= Limits::MAX_LINE, "{line:?} is {} bytes long", bytes.len());
    let text = std::str::from_utf8(&bytes)
        .expect("a line is UTF-8")
        .strip_suffix("\r\n")
        .expect("a line ends");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert_eq!(parse(text).as_ref(), Some(line), "{text:?}");
    text.to_owned()
}

/// Values from a fuzzer's bytes; zeros when they are used up.
struct Values<'a>(&'a [u8]);

impl Values<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_off_first() {
            Some(byte) => *byte,
            None => 0,
        }
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Small numbers and large ones equally often.
    fn number(&mut self) -> u64 {
        let width = self.byte() % 9;
        (0..width).fold(0, |number, _| number << 8 | u64::from(self.byte())) & MAX_NUMBER
    }

    fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| value(self))
    }

    fn raw(&mut self, length: usize) -> String {
        let length = length.min(self.0.len());
        let raw = self.0.split_off(..length).unwrap_or_default();
        String::from_utf8_lossy(raw).into_owned()
    }

    /// A text that may be in a line, and short enough that it is not cut when it is sent.
    fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        self.raw(length).replace(char::is_control, "")
    }

    fn path(&mut self) -> Option<FilePath> {
        let length = usize::from(self.byte()) * 4;
        FilePath::parse(&self.raw(length)).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::new(self.number().cast_signed(), u32::try_from(self.number()).ok()?)
    }

    fn checksum(&mut self) -> Checksum {
        let length = usize::from(self.byte() % 32);
        Checksum::of(self.raw(length).as_bytes())
    }

    fn version(&mut self) -> Option<Version> {
        Version::parse(&format!("v{}", self.byte())).filter(|_| self.flag())
    }

    fn user(&mut self) -> Option<UserName> {
        let length = usize::from(self.byte() % 80);
        UserName::parse(&self.raw(length)).ok()
    }

    fn rights(&mut self) -> Rights {
        Right::ALL.iter().filter(|_| self.flag()).fold(Rights::NONE, |set, right| set.with(*right))
    }

    fn mode(&mut self) -> Mode {
        if self.flag() { Mode::Create } else { Mode::Replace }
    }

    fn client_line(&mut self) -> Option<ClientLine> {
        Some(match self.byte() % 15 {
            0 => ClientLine::Data(1 + self.number() % Limits::MAX_DATA),
            1 => ClientLine::End { checksum: self.option(Self::checksum) },
            2 => ClientLine::Abort,
            3 => ClientLine::Command(Command::Help(Help)),
            4 => ClientLine::Command(Command::Exit(Exit)),
            5 => ClientLine::Command(Command::List(List {
                path: if self.flag() { Some(self.path()?) } else { None },
                depth: if self.flag() {
                    Depth::Levels(self.number().try_into().ok()?)
                } else {
                    Depth::All
                },
                omitted: self.flag(),
            })),
            6 => ClientLine::Command(Command::Download(Download {
                path: self.path()?,
                offset: self.number(),
                length: self.option(Self::number),
                if_match: self.version(),
            })),
            7 => ClientLine::Command(Command::Delete(Delete {
                path: self.path()?,
                if_match: self.version(),
            })),
            8 => ClientLine::Command(Command::MakeDirectory(MakeDirectory { path: self.path()? })),
            9 => ClientLine::Command(Command::Move(Move {
                from: self.path()?,
                to: self.path()?,
                mode: self.mode(),
                if_match: self.version(),
            })),
            10 => ClientLine::Command(Command::Copy(Copy {
                from: self.path()?,
                to: self.path()?,
                mode: self.mode(),
                if_match: self.version(),
            })),
            11 => ClientLine::Command(Command::Checksum(verb::Checksum {
                path: self.path()?,
                offset: self.number(),
                length: self.option(Self::number),
                if_match: self.version(),
            })),
            12 => ClientLine::Command(Command::WhoAmI(WhoAmI)),
            13 => {
                let secret = Secret::new(self.text())?;
                let proof =
                    if self.flag() { Proof::Password(secret) } else { Proof::Invite(secret) };
                ClientLine::Command(Command::Auth(Auth { user: self.user()?, proof }))
            }
            _ => ClientLine::Command(Command::Upload(Upload {
                path: self.path()?,
                size: self.option(Self::number),
                mode: if self.flag() { Mode::Create } else { Mode::Replace },
                modified: self.option(Self::time).flatten(),
                executable: self.flag(),
                if_match: None,
            })),
        })
    }

    fn server_line(&mut self) -> Option<ServerLine> {
        Some(match self.byte() % 11 {
            0 => ServerLine::Greeting(Greeting {
                banner: self.text(),
                max_data: 1 + self.number() % Limits::MAX_DATA,
                pipeline: self.number().max(1),
                auth_required: self.flag(),
                user: self.user().filter(|_| self.flag()),
            }),
            1 => ServerLine::Entry(Entry::File {
                path: self.path()?,
                size: self.number(),
                modified: self.time()?,
                executable: self.flag(),
            }),
            2 => ServerLine::Entry(Entry::Directory {
                path: self.path()?,
                error: self.option(
                    |seed| {
                        if seed.flag() { ErrorCode::Denied } else { ErrorCode::Io }
                    },
                ),
                link: self.flag(),
            }),
            3 => ServerLine::Sending(Sending {
                size: self.number(),
                offset: self.number(),
                length: self.number(),
                modified: self.time()?,
                executable: self.flag(),
                version: self.version(),
            }),
            4 => ServerLine::Data(1 + self.number() % Limits::MAX_DATA),
            5 => ServerLine::Ready,
            6 => ServerLine::Info(self.text()),
            7 => ServerLine::Ok(Summary {
                text: self.option(Self::text).map(Into::into),
                entries: self.option(Self::number),
                omitted: self.option(Self::number),
                skipped: self.option(Self::number),
                length: self.option(Self::number),
                size: self.option(Self::number),
                checksum: self.option(Self::checksum),
                version: self.version(),
                user: self.user(),
                quota: self.option(|seed| Quota { limit: seed.number(), used: seed.number() }),
            }),
            9 => ServerLine::Grant(Grant {
                path: if self.flag() { Some(self.path()?) } else { None },
                rights: self.rights(),
            }),
            8 => ServerLine::Entry(Entry::Omitted {
                shown: self.text(),
                reason: Omission::ALL[usize::from(self.byte()) % Omission::ALL.len()],
            }),
            _ => ServerLine::Err(Refusal {
                retry_after: self.option(Self::number),
                ..Refusal::new(
                    ErrorCode::ALL[usize::from(self.byte()) % ErrorCode::ALL.len()],
                    self.text(),
                )
            }),
        })
    }
}
