//! Bytes on the wire: the words of a line, the input and the output.

pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod words;
