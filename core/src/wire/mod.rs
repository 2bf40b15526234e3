//! Bytes on the wire: words of a line, what has come in, what goes out.

pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod words;
