//! Errors: one line that says what failed and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use haul_core::client::Failure;
use haul_core::message::Refusal;
use haul_core::{ErrorCode, Escaped, StoreError, StoreErrorKind};
use haul_store::{LeftOut, is_reserved};

use crate::exit::Exit;

/// The most characters of a name, or of a text from the server, that an error shows.
const SHOWN: usize = 256;

/// Why something failed. Its parts are safe for a terminal: texts and names are escaped on the way in.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    exit: Exit,
    message: String,
    advice: Option<String>,
    hopeless: bool,
    /// Another connection may succeed, after a pause of at least this long.
    retry_after: Option<Duration>,
    silent: bool,
}

impl Error {
    pub(crate) fn new(exit: Exit, message: impl AsRef<str>) -> Self {
        Self::safe(exit, Escaped::new(message.as_ref()).to_string())
    }

    pub(crate) fn usage(message: impl AsRef<str>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Replaces the advice.
    pub(crate) fn advise(self, advice: impl AsRef<str>) -> Self {
        Self { advice: Some(Escaped::new(advice.as_ref()).to_string()), ..self }
    }

    /// Prefixes the place where it happened.
    pub(crate) fn at(self, place: &str) -> Self {
        Self { message: format!("{}: {}", Escaped::new(place).cut(SHOWN), self.message), ..self }
    }

    /// Marks that the rest of the command cannot succeed either.
    pub(crate) fn hopeless(self) -> Self {
        Self { hopeless: true, ..self }
    }

    /// Prints nothing; only the exit code shows the error.
    pub(crate) fn silence(self) -> Self {
        Self { silent: true, ..self }
    }

    /// An error of writing output. It is silent if the reader is gone.
    pub(crate) fn output(error: &io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        let message = format!("cannot write the output: {}", plain(error));
        Self { silent, ..Self::new(Exit::Local, message).hopeless() }
    }

    /// The error for a failed request about `subject`.
    pub(crate) fn request(subject: &str, failure: &Failure) -> Self {
        let exit = Exit::from(failure);
        let error = match failure {
            Failure::Local(error) => Self::local(error),
            Failure::Refused(refusal) => {
                let (word, text) = (Escaped::new(&refusal.word), Escaped::new(&refusal.text));
                Self::safe(exit, format!("{}: {}", word.cut(SHOWN), text.cut(SHOWN)))
                    .at(subject)
                    .advise_if(refusal_advice(subject, refusal).as_deref())
            }
            Failure::Cancelled => Self::new(exit, "interrupted").at(subject),
            _ => {
                Self::new(exit, failure.to_string()).at(subject).advise_if(failure_advice(failure))
            }
        };
        let hopeless = *failure == Failure::Cancelled || loses_connection(failure);
        Self { hopeless, retry_after: retry_after(failure), ..error }
    }

    /// The error for a local file. Its detail comes from the store, and is safe.
    pub(crate) fn local(error: &StoreError) -> Self {
        Self::safe(error.kind.into(), error.detail.to_string()).advise_if(local_advice(error.kind))
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether the rest of the command cannot succeed either.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// The shortest pause before another connection may succeed; `None` if none will.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Marks that another connection may succeed.
    pub(crate) fn may_retry(self) -> Self {
        Self { retry_after: Some(Duration::ZERO), ..self }
    }

    /// The message without the advice.
    pub(crate) fn what(&self) -> &str {
        &self.message
    }

    /// Whether to print nothing.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// An error whose text is already safe for a terminal.
    pub(crate) fn safe(exit: Exit, message: String) -> Self {
        Self { exit, message, advice: None, hopeless: false, retry_after: None, silent: false }
    }

    fn advise_if(self, advice: Option<&str>) -> Self {
        match advice {
            Some(advice) => self.advise(advice),
            None => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

/// Whether the connection is unusable after this failure.
pub(crate) fn loses_connection(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => refusal.code().is_some_and(ErrorCode::closes),
        Failure::Violation(_)
        | Failure::NoGreeting
        | Failure::TimedOut
        | Failure::Disconnected
        | Failure::Ended => true,
        _ => false,
    }
}

/// The shortest pause before another connection may succeed.
fn retry_after(failure: &Failure) -> Option<Duration> {
    match failure {
        Failure::Refused(refusal) => match refusal.code()? {
            ErrorCode::Busy | ErrorCode::ShuttingDown | ErrorCode::Timeout => {
                Some(Duration::from_secs(refusal.retry_after.unwrap_or_default()))
            }
            _ => None,
        },
        Failure::TimedOut | Failure::Disconnected | Failure::Ended => Some(Duration::ZERO),
        _ => None,
    }
}

/// An I/O error in words, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The escaped beginning of a text that may be long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn failure_advice(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Corrupted => Some("nothing was kept; try again"),
        Failure::Violation(_) => Some("is it a HAUL server, and of this version?"),
        Failure::NoGreeting => {
            Some("is it a HAUL server? those of HTTP and TLS wait for the client to speak first")
        }
        Failure::TimedOut | Failure::Disconnected | Failure::Ended => Some("try again"),
        _ => None,
    }
}

/// What a person can do about a refusal.
fn refusal_advice(subject: &str, refusal: &Refusal) -> Option<Cow<'static, str>> {
    let advice = match refusal.code()? {
        // Not even serve --hidden serves it.
        ErrorCode::NotFound if subject.split('/').any(is_reserved) => {
            return Some(LeftOut::Reserved.to_string().into());
        }
        ErrorCode::NotFound if subject.split('/').any(|name| name.starts_with('.')) => {
            "names that begin with a dot are served only by serve --hidden"
        }
        ErrorCode::NotFound => "check the name with ls",
        ErrorCode::Exists => "without --create it is replaced",
        ErrorCode::IsDirectory => {
            "get -r downloads its content; end the name with / to put files into it"
        }
        ErrorCode::NotAFile => "only regular files are served, and only directories hold them",
        ErrorCode::NotEmpty => "delete what is in it first; hidden names count",
        ErrorCode::Denied | ErrorCode::Io | ErrorCode::NotSupported => "the server's log says why",
        ErrorCode::Unauthenticated => "whoami shows who the server takes you for",
        ErrorCode::BadName => "choose another name",
        ErrorCode::BadRange => "--offset is past the end of the file; ls -l shows its size",
        ErrorCode::TooLarge => {
            "the limit is that of the server's --max-file-size, or of its file system"
        }
        ErrorCode::NoSpace => "nothing was stored; make room on the server",
        ErrorCode::SizeMismatch | ErrorCode::ChecksumMismatch => {
            "nothing was stored; send it again"
        }
        ErrorCode::Changed => "the file changed during the transfer; try again",
        ErrorCode::OutcomeUnknown => {
            "it is stored, but may not survive a power cut; send it again to be sure"
        }
        ErrorCode::Busy | ErrorCode::ShuttingDown | ErrorCode::Timeout => {
            return Some(match refusal.retry_after {
                Some(seconds) => format!("try again in {seconds} s").into(),
                None => "try again later".into(),
            });
        }
        ErrorCode::UnknownCommand | ErrorCode::BadArgument | ErrorCode::Protocol => {
            "is the server of another version?"
        }
        _ => return None,
    };
    Some(advice.into())
}

fn local_advice(kind: StoreErrorKind) -> Option<&'static str> {
    match kind {
        StoreErrorKind::NotFound => Some("is the name right, and the directory that you are in?"),
        StoreErrorKind::Exists => Some("--force replaces it"),
        StoreErrorKind::IsDirectory | StoreErrorKind::NotAFile => Some("name a regular file"),
        StoreErrorKind::NotEmpty => Some("delete what is in it first"),
        StoreErrorKind::IntoItself => Some("choose another place"),
        StoreErrorKind::Denied => {
            Some("its permissions, those of its directory, or what is mounted there, forbid it")
        }
        StoreErrorKind::ReadOnly => Some("its file system is read-only; choose another place"),
        StoreErrorKind::BadName | StoreErrorKind::OtherSpelling => Some("choose another name"),
        StoreErrorKind::TooLarge | StoreErrorKind::NoSpace => {
            Some("nothing was kept; make room, or choose another place")
        }
        StoreErrorKind::Changed => Some("the file changed while it was read; try again"),
        // No local file fails in this way.
        StoreErrorKind::Forbidden(_)
        | StoreErrorKind::Revoked
        | StoreErrorKind::Insecure
        | StoreErrorKind::KeyMissing
        | StoreErrorKind::NotSupported
        | StoreErrorKind::Io => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(failure: &Failure) -> Error {
        Error::request("a\u{202e}b", failure)
    }

    #[test]
    fn a_server_cannot_act_on_the_terminal_or_fill_it() {
        let text = format!("\u{1b}]0;owned\u{7}\n{}", "x".repeat(1 << 20));
        let refusal = Refusal { word: "e\u{1b}[2J".into(), text: text.into(), retry_after: None };
        let shown = request(&Failure::Refused(refusal)).to_string();
        assert!(shown.starts_with(r"a\u{202e}b: e\u{1b}[2J: \u{1b}]0;owned\u{7}\nxxx"), "{shown}");
        assert!(!shown.chars().any(char::is_control));
        assert!(shown.len() < 1000, "{}", shown.len());
    }

    #[test]
    fn every_code_says_what_to_do_next() {
        for &code in ErrorCode::ALL {
            let error = request(&Failure::Refused(Refusal::new(code, "no")));
            let advised = code == ErrorCode::Aborted || error.advice.is_some();
            assert!(advised, "{code}");
            assert_eq!(error.is_hopeless(), code.closes(), "{code}");
        }
        let busy = Refusal { retry_after: Some(7), ..Refusal::new(ErrorCode::Busy, "full") };
        let shown = Error::request("x", &Failure::Refused(busy)).to_string();
        assert_eq!(shown, "x: busy: full (try again in 7 s)");
    }

    #[test]
    fn the_advice_is_about_the_name() {
        let missing = |name: &str| {
            let refusal = Refusal::new(ErrorCode::NotFound, "no");
            Error::request(name, &Failure::Refused(refusal)).to_string()
        };
        assert_eq!(missing("a.b/c"), "a.b/c: not-found: no (check the name with ls)");
        assert!(missing("a/.git/b").contains("serve --hidden"));
        for name in [".git/.haul-staging/b", ".haul-0123456789abcDEF"] {
            let advice = "(Haul keeps such names for its own unfinished files)";
            assert_eq!(missing(name), format!("{name}: not-found: no {advice}"));
        }
    }

    #[test]
    fn after_a_lost_connection_nothing_more_is_tried() {
        assert!(request(&Failure::Disconnected).is_hopeless());
        assert!(request(&Failure::Cancelled).is_hopeless());
        assert!(!request(&Failure::Corrupted).is_hopeless());
    }

    #[test]
    fn a_closed_output_is_silent_and_others_are_not() {
        assert!(Error::output(&io::ErrorKind::BrokenPipe.into()).is_silent());
        let full = io::Error::from_raw_os_error(28);
        assert!(!Error::output(&full).is_silent());
        assert_eq!(
            Error::output(&full).to_string(),
            "cannot write the output: No space left on device"
        );
    }
}
