//! Encodes lines.

use core::fmt::{self, Write};

use bytes::BytesMut;

pub(crate) const LINE_END: &str = "\r\n";

/// Room for a typical line, so that most need no second allocation.
const TYPICAL_LINE: usize = 128;

/// Appends a line and its ending, CRLF, to `out`.
pub(crate) fn append(out: &mut BytesMut, line: &dyn fmt::Display) {
    out.reserve(TYPICAL_LINE);
    let written = write!(out, "{line}{LINE_END}");
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
}

/// Writes an option, if there is one, after a space.
pub(crate) fn option(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    value: Option<&impl fmt::Display>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {key}={value}"),
        None => Ok(()),
    }
}

/// Writes `key=yes` after a space, if it is set.
pub(crate) fn flag(f: &mut fmt::Formatter<'_>, key: &str, is_set: bool) -> fmt::Result {
    option(f, key, is_set.then_some(&"yes"))
}
