//! The exit codes, and the one place where failures are mapped to them.

use std::fmt::Write as _;
use std::process::ExitCode;

use haul_core::client::Failure;
use haul_core::message::Refusal;
use haul_core::{ErrorCode, StoreErrorKind};
use haul_transport::{ConnectError, HandshakeError};
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTERM};

use crate::transport::ServeError;

macro_rules! exits {
    ($($variant:ident = $code:literal, $meaning:literal;)+) => {
        /// The exit code of a program. Codes never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Exit {
            $(#[doc = concat!($meaning, ".")] $variant,)+
        }

        impl Exit {
            /// All variants, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as a number.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// A short description of the code.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

exits! {
    Done = 0, "all that was asked for is done";
    Unexpected = 1, "something that should not happen";
    Usage = 2, "the command line, or a line of a script, is wrong";
    NotFound = 3, "the server has nothing of that name";
    Refused = 4, "the server said no: exists, denied, no-space, bad-name and the like";
    Network = 5, "no connection, or lost: refused, timed out, busy, shutting down";
    Integrity = 6, "the bytes or the replies are not what they should be; nothing was kept";
    Local = 7, "a file or stream on this side: exists, unreadable, disk full, closed";
    Partial = 8, "some of several things are done, and some failed";
    OutcomeUnknown = 9, "published, but it may not survive a power cut";
    Untrusted = 10, "the server is not who it should be";
    Unauthenticated = 11, "you are not identified, or not allowed in";
    HungUp = 129, "ended by SIGHUP: its terminal is gone";
    Interrupted = 130, "interrupted, by SIGINT";
    Quit = 131, "ended by SIGQUIT";
    Terminated = 143, "ended by SIGTERM";
}

impl Exit {
    /// The code for a signal of this number: 128 plus the number, as in shells.
    pub(crate) fn by_signal(signal: i32) -> Self {
        match signal {
            SIGHUP => Self::HungUp,
            SIGQUIT => Self::Quit,
            SIGTERM => Self::Terminated,
            _ => Self::Interrupted,
        }
    }

    /// The table of codes, for `--help` and the manual.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit codes:");
        for exit in Self::ALL {
            // Writing to a string cannot fail.
            let _ = write!(table, "\n  {:<4} {}", exit.code(), exit.meaning());
        }
        table
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Corrupted | Failure::Violation(_) => Self::Integrity,
            Failure::NoGreeting | Failure::TimedOut | Failure::Disconnected | Failure::Ended => {
                Self::Network
            }
            Failure::Cancelled => Self::Interrupted,
            Failure::Local(error) => error.kind.into(),
            _ => Self::Unexpected,
        }
    }
}

impl From<&Refusal> for Exit {
    /// An error code that this version does not know counts as a refusal.
    fn from(refusal: &Refusal) -> Self {
        refusal.code().map_or(Self::Refused, Self::from)
    }
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::UnknownCommand
            | ErrorCode::BadArgument
            | ErrorCode::BadName
            | ErrorCode::BadRange
            | ErrorCode::Exists
            | ErrorCode::IsDirectory
            | ErrorCode::NotAFile
            | ErrorCode::NotEmpty
            | ErrorCode::NotSupported
            | ErrorCode::Denied
            | ErrorCode::TooLarge
            | ErrorCode::NoSpace
            | ErrorCode::Aborted
            | ErrorCode::Io => Self::Refused,
            ErrorCode::SizeMismatch
            | ErrorCode::ChecksumMismatch
            | ErrorCode::Changed
            | ErrorCode::Protocol => Self::Integrity,
            ErrorCode::OutcomeUnknown => Self::OutcomeUnknown,
            ErrorCode::Unauthenticated => Self::Unauthenticated,
            ErrorCode::Busy | ErrorCode::Timeout | ErrorCode::ShuttingDown => Self::Network,
            _ => Self::Unexpected,
        }
    }
}

impl From<StoreErrorKind> for Exit {
    /// For local files.
    fn from(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::Changed => Self::Integrity,
            StoreErrorKind::NotFound
            | StoreErrorKind::Exists
            | StoreErrorKind::OtherSpelling
            | StoreErrorKind::IsDirectory
            | StoreErrorKind::NotAFile
            | StoreErrorKind::NotEmpty
            | StoreErrorKind::IntoItself
            | StoreErrorKind::NotSupported
            | StoreErrorKind::Denied
            | StoreErrorKind::ReadOnly
            | StoreErrorKind::BadName
            | StoreErrorKind::TooLarge
            | StoreErrorKind::NoSpace
            | StoreErrorKind::Forbidden(_)
            | StoreErrorKind::Revoked
            | StoreErrorKind::Insecure
            | StoreErrorKind::KeyMissing
            | StoreErrorKind::Io => Self::Local,
        }
    }
}

impl From<&ConnectError> for Exit {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Unknown(_) | ConnectError::Unreached(_) | ConnectError::Io(_) => {
                Self::Network
            }
            ConnectError::Handshake(error) => match error {
                HandshakeError::Untrusted(_) => Self::Untrusted,
                HandshakeError::TimedOut | HandshakeError::Io(_) => Self::Network,
                _ => Self::Integrity,
            },
            ConnectError::Failed(failure) => failure.into(),
            _ => Self::Unexpected,
        }
    }
}

impl From<&ServeError> for Exit {
    fn from(error: &ServeError) -> Self {
        match error {
            ServeError::Listen(_) => Self::Network,
            ServeError::Directory(_) | ServeError::Accounts(_) => Self::Local,
            ServeError::Io(_) => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use haul_core::StoreError;
    use signal_hook::consts::SIGINT;

    use super::*;

    fn refused(code: ErrorCode) -> Exit {
        Exit::from(&Failure::Refused(Refusal::new(code, "no")))
    }

    #[test]
    fn codes_are_those_of_the_table() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 129, 130, 131, 143]);
        let meanings: HashSet<&str> = Exit::ALL.iter().map(|exit| exit.meaning()).collect();
        assert_eq!(meanings.len(), codes.len());
        assert!(Exit::table().contains("\n  130  interrupted"));
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            assert_eq!(i32::from(Exit::by_signal(signal).code()), 128 + signal);
        }
    }

    #[test]
    fn every_code_of_the_wire_has_its_kind() {
        for &code in ErrorCode::ALL {
            let expected = match code.as_str() {
                "not-found" => Exit::NotFound,
                "size-mismatch" | "checksum-mismatch" | "changed" | "protocol" => Exit::Integrity,
                "outcome-unknown" => Exit::OutcomeUnknown,
                "unauthenticated" => Exit::Unauthenticated,
                "busy" | "timeout" | "shutting-down" => Exit::Network,
                _ => Exit::Refused,
            };
            assert_eq!(refused(code), expected, "{code}");
        }
    }

    #[test]
    fn a_code_from_the_future_is_a_refusal() {
        let refusal = Refusal { word: "over-quota".into(), text: "no".into(), retry_after: None };
        assert_eq!(Exit::from(&Failure::Refused(refusal)), Exit::Refused);
    }

    #[test]
    fn failures_of_the_connection_and_of_this_side_are_told_apart() {
        assert_eq!(Exit::from(&Failure::Disconnected), Exit::Network);
        assert_eq!(Exit::from(&Failure::TimedOut), Exit::Network);
        assert_eq!(Exit::from(&Failure::Ended), Exit::Network);
        assert_eq!(Exit::from(&Failure::Corrupted), Exit::Integrity);
        assert_eq!(Exit::from(&Failure::Violation("x")), Exit::Integrity);
        assert_eq!(Exit::from(&Failure::Cancelled), Exit::Interrupted);
        let local = |kind| Exit::from(&Failure::Local(StoreError::new(kind, "x")));
        assert_eq!(local(StoreErrorKind::NotFound), Exit::Local);
        assert_eq!(local(StoreErrorKind::NoSpace), Exit::Local);
        assert_eq!(local(StoreErrorKind::Changed), Exit::Integrity);
    }
}
