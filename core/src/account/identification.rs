//! Who the client of a session is.

use super::UserName;

/// How many failed attempts a connection has. With the last one it ends.
const MAX_FAILURES: u8 = 3;

/// What a server's session knows about its client.
#[derive(Debug)]
pub(crate) struct Identification {
    /// Whether nothing is served before the client is identified.
    required: bool,
    is_known: bool,
    failures: u8,
}

impl Identification {
    /// A client who is `user` from the start, such as by the key of the connection, or nobody yet.
    pub(crate) fn new(required: bool, user: Option<&UserName>) -> Self {
        let is_known = user.is_some_and(|user| !user.is_anonymous());
        Self { required: required && user.is_none(), is_known, failures: 0 }
    }

    /// Whether the client has to be identified first.
    pub(crate) fn is_missing(&self) -> bool {
        self.required
    }

    /// Whether the client is a user with an account.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// An attempt has succeeded.
    pub(crate) fn succeeded(&mut self) {
        (self.required, self.is_known) = (false, true);
    }

    /// An attempt has failed. Returns whether the connection has had enough of them.
    pub(crate) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= MAX_FAILURES
    }
}
