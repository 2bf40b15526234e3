//! The arguments of a server's line.

use alloc::borrow::Cow;

use super::{Garbled, Omission};
use crate::account::{Rights, UserName};
use crate::checksum::Checksum;
use crate::error::ErrorCode;
use crate::name::FilePath;
use crate::time::Timestamp;
use crate::version::Version;
use crate::wire::words::{Word, WordError, Words, flag, parse_number};

impl From<WordError> for Garbled {
    fn from(_: WordError) -> Self {
        Self("a line cannot be cut into words")
    }
}

/// Whether a word has the form of an error code or a reason.
pub(crate) fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Why a directory is not listed. A client takes every word except `denied` for a failure of the storage.
fn parse_error(word: &str) -> Option<ErrorCode> {
    let denied = word == ErrorCode::Denied.as_str();
    is_code(word).then_some(if denied { ErrorCode::Denied } else { ErrorCode::Io })
}

fn parse_reason(word: &str) -> Option<Omission> {
    let known = Omission::ALL.iter().copied().find(|reason| reason.as_str() == word);
    is_code(word).then(|| known.unwrap_or(Omission::Unknown))
}

/// The value of a required option.
pub(crate) fn required<T>(value: Option<T>) -> Result<T, Garbled> {
    value.ok_or(Garbled("a line lacks something"))
}

/// The words of a server's line after the first. The first occurrence of an option counts; an option with a malformed
/// value makes the line invalid.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    pub(crate) first: Option<Cow<'a, str>>,
    pub(crate) second: Option<Cow<'a, str>>,
    pub(crate) size: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) length: Option<u64>,
    pub(crate) entries: Option<u64>,
    pub(crate) omitted: Option<u64>,
    pub(crate) skipped: Option<u64>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) max_data: Option<u64>,
    pub(crate) pipeline: Option<u64>,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) version: Option<Version>,
    pub(crate) executable: Option<()>,
    pub(crate) link: Option<()>,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) reason: Option<Omission>,
    pub(crate) auth: Option<()>,
    pub(crate) user: Option<UserName>,
    pub(crate) rights: Option<Rights>,
    pub(crate) quota: Option<u64>,
    pub(crate) used: Option<u64>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn parse(rest: &'a str) -> Result<Self, Garbled> {
        let mut all = Self::default();
        for word in Words::new(rest) {
            match word? {
                Word::Plain(text) if all.first.is_none() => all.first = Some(text),
                Word::Plain(text) => {
                    all.second.get_or_insert(text);
                }
                Word::Option { key, value } => all.option(key, &value)?,
            }
        }
        Ok(all)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), Garbled> {
        let number = match key {
            "size" => &mut self.size,
            "offset" => &mut self.offset,
            "length" => &mut self.length,
            "entries" => &mut self.entries,
            "omitted" => &mut self.omitted,
            "skipped" => &mut self.skipped,
            "retry-after" => &mut self.retry_after,
            "max-data" => &mut self.max_data,
            "pipeline" => &mut self.pipeline,
            "quota" => &mut self.quota,
            "used" => &mut self.used,
            "modified" => return keep(&mut self.modified, Timestamp::parse(value)),
            "version" => return keep(&mut self.version, Version::parse(value)),
            "crc64nvme" => return keep(&mut self.checksum, Checksum::parse(value)),
            "executable" => return keep(&mut self.executable, flag(value)),
            "link" => return keep(&mut self.link, flag(value)),
            "error" => return keep(&mut self.error, parse_error(value)),
            "auth" => return keep(&mut self.auth, (value == "required").then_some(())),
            "user" => return keep(&mut self.user, UserName::parse(value).ok()),
            "rights" => return keep(&mut self.rights, value.parse().ok()),
            "reason" => return keep(&mut self.reason, parse_reason(value)),
            _ => return Ok(()),
        };
        keep(number, parse_number(value))
    }

    pub(crate) fn path(&self) -> Result<FilePath, Garbled> {
        let text = self.first.as_deref().ok_or(Garbled("an entry has no path"))?;
        FilePath::parse(text).map_err(|_| Garbled("a path breaks the rules of names"))
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Garbled> {
    let value = value.ok_or(Garbled("an option has a bad value"))?;
    slot.get_or_insert(value);
    Ok(())
}
