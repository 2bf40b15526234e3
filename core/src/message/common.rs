//! The grammar of the server's lines that belong to no verb: the greeting, `OK` and `ERR`.
//!
//! Rules: R-CONN-1, R-CONN-2, R-OPEN-1, R-OUT-1, R-ERR-1.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use super::arguments::{Arguments, is_code, required};
use super::encode::option;
use super::{Garbled, Greeting, Refusal, Summary, VERSION};
use crate::account::{Quota, UserName};
use crate::error::ErrorCode;
use crate::limits::Limits;
use crate::wire::words::Quoted;

impl Greeting {
    /// Parses what follows the version word.
    pub(crate) fn parse(arguments: Arguments<'_>) -> Result<Self, Garbled> {
        Ok(Self {
            banner: arguments.first.map(String::from).unwrap_or_default(),
            max_data: required(arguments.max_data)?.clamp(1, Limits::MAX_DATA),
            pipeline: required(arguments.pipeline)?.max(1),
            auth_required: arguments.auth.is_some(),
            user: arguments.user,
        })
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { banner, max_data, pipeline, auth_required, user } = self;
        write!(f, "{VERSION} {} max-data={max_data} pipeline={pipeline}", Quoted(banner))?;
        option(f, "auth", auth_required.then_some("required").as_ref())?;
        user_option(f, user.as_ref())
    }
}

impl Summary {
    /// Parses what follows the word `OK`.
    pub(crate) fn parse(arguments: Arguments<'_>) -> Self {
        Self {
            text: arguments.first.map(|text| Cow::Owned(text.into_owned())),
            entries: arguments.entries,
            omitted: arguments.omitted,
            skipped: arguments.skipped,
            size: arguments.size,
            length: arguments.length,
            checksum: arguments.checksum,
            version: arguments.version,
            user: arguments.user,
            quota: arguments.quota.zip(arguments.used).map(|(limit, used)| Quota { limit, used }),
        }
    }
}

impl fmt::Display for Summary {
    /// Writes the whole line, including `OK`, without its ending.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OK")?;
        if let Some(text) = &self.text {
            write!(f, " {}", Quoted(text))?;
        }
        option(f, "entries", self.entries.as_ref())?;
        option(f, "omitted", self.omitted.as_ref())?;
        option(f, "skipped", self.skipped.as_ref())?;
        option(f, "size", self.size.as_ref())?;
        option(f, "length", self.length.as_ref())?;
        option(f, "crc64nvme", self.checksum.as_ref())?;
        option(f, "version", self.version.as_ref())?;
        user_option(f, self.user.as_ref())?;
        match self.quota {
            Some(Quota { limit, used }) => write!(f, " quota={limit} used={used}"),
            None => Ok(()),
        }
    }
}

/// Writes `user=`, if there is one.
fn user_option(f: &mut fmt::Formatter<'_>, user: Option<&UserName>) -> fmt::Result {
    user.map_or(Ok(()), |user| write!(f, " user=\"{user}\""))
}

impl Refusal {
    /// Parses what follows the word `ERR`.
    pub(crate) fn parse(arguments: Arguments<'_>) -> Result<Self, Garbled> {
        Ok(Self {
            word: match arguments.first.as_deref().and_then(ErrorCode::parse) {
                Some(code) => Cow::Borrowed(code.as_str()),
                None => Cow::Owned(unknown_code(required(arguments.first)?)?.into_owned()),
            },
            text: Cow::Owned(arguments.second.unwrap_or_default().into_owned()),
            retry_after: arguments.retry_after,
        })
    }
}

/// A well-formed code that this version does not know.
fn unknown_code(word: Cow<'_, str>) -> Result<Cow<'_, str>, Garbled> {
    if is_code(&word) { Ok(word) } else { Err(Garbled("an ERR has no code")) }
}

/// The whole line of a refusal, including `ERR`, without its ending. The `Display` of a refusal is its text, for
/// people.
pub(crate) struct ErrLine<'a>(pub(crate) &'a Refusal);

impl fmt::Display for ErrLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { word, text, retry_after } = self.0;
        write!(f, "ERR {word} {}", Quoted(text))?;
        option(f, "retry-after", retry_after.as_ref())
    }
}
