//! The end of a session: the last reply must not be lost to a reset.

use super::Server;
use super::{ServerEvent, State};
use crate::machine::Ask;
use crate::output::Wait;

/// How far the closing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// What waits to go out goes out.
    Flushing,
    /// The peer closes its side; until then what it sends is dropped, so that no reset overtakes the last reply (RFC 9112, section 9.6).
    Lingering {
        /// Bytes dropped so far.
        dropped: u64,
    },
    /// There is nothing more to do.
    Over,
}

impl Closing {
    pub(super) fn half_closed(&mut self) {
        if *self == Self::Flushing {
            *self = Self::Lingering { dropped: 0 };
        }
    }
}

impl Server {
    pub(super) fn advance_closing(&mut self) -> Option<Ask<ServerEvent>> {
        let State::Closing(closing) = &mut self.state else {
            return None;
        };
        match closing {
            Closing::Flushing if !self.link.outbox.is_empty() => Some(Ask::Write),
            Closing::Flushing => Some(Ask::CloseWrite),
            Closing::Lingering { dropped } => {
                let fresh = self.link.inbox.len();
                self.link.inbox.consume(fresh);
                *dropped = dropped.saturating_add(fresh as u64);
                if self.link.inbox.ended || *dropped > self.config.limits.max_linger {
                    *closing = Closing::Over;
                }
                (*closing != Closing::Over).then_some(Ask::Read(Wait::UntilDeadline))
            }
            Closing::Over => Some(Ask::Closed),
        }
    }
}
