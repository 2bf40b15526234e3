//! A simple parser of a client's lines, written from docs/PROTOCOL.md alone, to compare `haul-core` with.

use haul_core::account::{Proof, Secret, UserName};
use haul_core::verb::{
    Auth, Checksum, Copy, Delete, Download, Exit, Help, List, MakeDirectory, Move, Upload, WhoAmI,
};
use haul_core::{ClientLine, Command, Depth, FilePath, Mode, Timestamp, Version};

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A correct line.
    Line(ClientLine),
    /// A command that gets an `ERR`, after which the connection goes on.
    Refused,
    /// It ends the connection.
    Fatal,
}

struct Token {
    key: Option<String>,
    value: String,
}

/// R-WORD-1.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let mut tokens = Vec::new();
    let mut i = 0;
    while let Some(c) = at(i) {
        if c == ' ' {
            i += 1;
            continue;
        }
        let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let key_end = i + chars[i..].iter().take_while(|&&c| is_key(c)).count();
        let key =
            (key_end > i && at(key_end) == Some('=')).then(|| chars[i..key_end].iter().collect());
        if key.is_some() {
            i = key_end + 1;
        }
        let mut value = String::new();
        if at(i) == Some('"') {
            i += 1;
            while at(i)? != '"' {
                if at(i) == Some('\\') {
                    i += 1;
                    matches!(at(i), Some('"' | '\\')).then_some(())?;
                }
                value.push(at(i)?);
                i += 1;
            }
            i += 1;
            matches!(at(i), None | Some(' ')).then_some(())?;
        } else {
            while let Some(c) = at(i).filter(|&c| c != ' ') {
                (c != '"').then_some(())?;
                value.push(c);
                i += 1;
            }
        }
        tokens.push(Token { key, value });
    }
    Some(tokens)
}

/// R-NUM-1.
fn number(text: &str) -> Option<u64> {
    let value: u128 = text.parse().ok().filter(|_| text.len() < 30)?;
    (value.to_string() == text).then_some(())?;
    u64::try_from(value).ok().filter(|value| *value < 1 << 63)
}

/// R-PATH-1 to R-PATH-3.
pub fn is_path(text: &str) -> bool {
    (1..=1024).contains(&text.len())
        && !text.contains('\\')
        && !text.chars().any(|c| matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f))
        && text
            .split('/')
            .all(|part| (1..=255).contains(&part.len()) && part != "." && part != "..")
}

fn path(text: &str) -> Option<FilePath> {
    // A wrong result shows as a line that only one of the two parsers refuses.
    is_path(text).then(|| FilePath::parse(text).ok())?
}

/// It is there in a wrong form.
struct Bad;

/// The value of an option, if it is there.
fn take<T>(
    tokens: &mut Vec<Token>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Bad> {
    match tokens.iter().position(|token| token.key.as_deref() == Some(key)) {
        None => Ok(None),
        Some(at) => parse(&tokens.remove(at).value).map(Some).ok_or(Bad),
    }
}

fn yes(text: &str) -> Option<()> {
    (text == "yes").then_some(())
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "replace" => Some(Mode::Replace),
        "create" => Some(Mode::Create),
        _ => None,
    }
}

/// R-VER-1.
fn version(text: &str) -> Option<Version> {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let has_form = (1..=64).contains(&text.len()) && text.chars().all(good);
    has_form.then(|| Version::parse(text).expect("it has the form of a version"))
}

/// The last word, which is a path.
fn the_path(rest: &mut Vec<Token>) -> Option<FilePath> {
    path(&rest.pop().filter(|token| token.key.is_none())?.value)
}

/// The last word, which is the name of a user (R-AUTH-1).
fn user(rest: &mut Vec<Token>) -> Option<UserName> {
    let name = rest.pop().filter(|token| token.key.is_none())?.value;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    let has_form = (1..=64).contains(&name.len()) && name.chars().all(good);
    let begins = !name.starts_with(['.', '-', '_']);
    (has_form && begins).then(|| UserName::parse(&name).expect("it has the form of a name"))
}

fn command(verb: &str, mut rest: Vec<Token>) -> Option<Command> {
    let command = match verb {
        "LIST" => {
            let depth = take(&mut rest, "depth", |text| match text {
                "all" => Some(Depth::All),
                _ => number(text)?.try_into().ok().map(Depth::Levels),
            })
            .ok()?;
            let depth = depth.unwrap_or(Depth::ONE);
            let omitted = take(&mut rest, "omitted", yes).ok()?.is_some();
            match rest.pop() {
                None => Command::List(List { path: None, depth, omitted }),
                Some(Token { key: None, value }) => {
                    Command::List(List { path: Some(path(&value)?), depth, omitted })
                }
                Some(_) => return None,
            }
        }
        "DOWNLOAD" => {
            let offset = take(&mut rest, "offset", number).ok()?.unwrap_or(0);
            let length = take(&mut rest, "length", number).ok()?;
            let if_match = take(&mut rest, "if-match", version).ok()?;
            let path = the_path(&mut rest)?;
            Command::Download(Download { path, offset, length, if_match })
        }
        "UPLOAD" => {
            let size = take(&mut rest, "size", number).ok()?;
            let modified = take(&mut rest, "modified", Timestamp::parse).ok()?;
            let mode = take(&mut rest, "mode", mode).ok()?.unwrap_or(Mode::Replace);
            let executable = take(&mut rest, "executable", yes).ok()?.is_some();
            let if_match = take(&mut rest, "if-match", version).ok()?;
            if mode == Mode::Create && if_match.is_some() {
                return None;
            }
            let path = the_path(&mut rest)?;
            Command::Upload(Upload { path, size, mode, modified, executable, if_match })
        }
        "DELETE" => {
            let if_match = take(&mut rest, "if-match", version).ok()?;
            Command::Delete(Delete { path: the_path(&mut rest)?, if_match })
        }
        "MKDIR" => Command::MakeDirectory(MakeDirectory { path: the_path(&mut rest)? }),
        "MOVE" | "COPY" => {
            let mode = take(&mut rest, "mode", mode).ok()?.unwrap_or(Mode::Replace);
            let if_match = take(&mut rest, "if-match", version).ok()?;
            let to = the_path(&mut rest)?;
            let from = the_path(&mut rest)?;
            if verb == "MOVE" {
                Command::Move(Move { from, to, mode, if_match })
            } else {
                Command::Copy(Copy { from, to, mode, if_match })
            }
        }
        "CHECKSUM" => {
            let offset = take(&mut rest, "offset", number).ok()?.unwrap_or(0);
            let length = take(&mut rest, "length", number).ok()?;
            let if_match = take(&mut rest, "if-match", version).ok()?;
            let path = the_path(&mut rest)?;
            Command::Checksum(Checksum { path, offset, length, if_match })
        }
        "AUTH" => {
            let secret = |text: &str| Secret::new(text.to_owned());
            let password = take(&mut rest, "password", secret).ok()?;
            let invite = take(&mut rest, "invite", secret).ok()?;
            let proof = match (password, invite) {
                (Some(secret), None) => Proof::Password(secret),
                (None, Some(secret)) => Proof::Invite(secret),
                _ => return None,
            };
            Command::Auth(Auth { user: user(&mut rest)?, proof })
        }
        "WHOAMI" => Command::WhoAmI(WhoAmI),
        "HELP" => Command::Help(Help),
        "EXIT" | "QUIT" | "BYE" => Command::Exit(Exit),
        _ => return None,
    };
    rest.is_empty().then_some(command)
}

/// Parses a line without its ending. The line is UTF-8 without control characters.
pub fn read(line: &str) -> Reading {
    let line = line.trim_matches(' ');
    let (verb, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
    let verb = verb.to_ascii_uppercase();
    let fatal_or = |line: Option<ClientLine>| line.map_or(Reading::Fatal, Reading::Line);
    match verb.as_str() {
        "DATA" => {
            let length = number(rest.trim_matches(' ')).filter(|n| (1..=16_777_216).contains(n));
            return fatal_or(length.map(ClientLine::Data));
        }
        "END" => {
            let read = tokens(rest).and_then(|mut rest| {
                let checksum = take(&mut rest, "crc64nvme", haul_core::Checksum::parse).ok()?;
                rest.is_empty().then_some(ClientLine::End { checksum })
            });
            return fatal_or(read);
        }
        "ABORT" => return fatal_or(rest.is_empty().then_some(ClientLine::Abort)),
        _ => {}
    }
    let last = line.split(' ').next_back().unwrap_or_default();
    if last.to_ascii_uppercase().starts_with("HTTP/") && !last.contains('"') {
        return Reading::Fatal;
    }
    match tokens(rest).and_then(|rest| command(&verb, rest)) {
        Some(command) => Reading::Line(ClientLine::Command(command)),
        None => Reading::Refused,
    }
}
