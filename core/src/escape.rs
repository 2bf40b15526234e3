//! Text from a peer made safe for a terminal or a log.

use core::fmt::{self, Write};

/// Displays a text from a peer so that it cannot act on a terminal or forge a line of a log.
///
/// Control characters, bidirectional overrides, invisible and unassigned characters come out as `\u{…}` (`\n`, `\t` and the like in
/// their short form), a backslash as `\\`. Quotes, letters of every script, emoji and spaces stay as they are. At most
/// [`MAX_CHARS`](Self::MAX_CHARS) characters of the text (or as many as [`cut`](Self::cut) allows) are shown, then `…`.
///
/// ```
/// use haul_core::Escaped;
///
/// assert_eq!(Escaped::new("a\u{1b}[31m\u{202e}b").to_string(), r"a\u{1b}[31m\u{202e}b");
/// assert_eq!(Escaped::new("It's “naïve”").to_string(), "It's “naïve”");
/// assert_eq!(Escaped::new("abcdef").cut(3).to_string(), "abc…");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    text: &'a str,
    cut: bool,
    quoted: bool,
}

impl<'a> Escaped<'a> {
    /// The most characters of the text shown unless [`cut`](Self::cut) says fewer: the longest path fits.
    pub const MAX_CHARS: usize = 1024;

    /// Escapes `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, cut: false, quoted: false }.cut(Self::MAX_CHARS)
    }

    /// Shows at most `chars` characters of the text.
    #[must_use]
    pub fn cut(self, chars: usize) -> Self {
        match self.text.char_indices().nth(chars) {
            Some((end, _)) => Self { text: &self.text[..end], cut: true, ..self },
            None => self,
        }
    }

    /// Puts the text in double quotes, and a backslash before each that is in it: whatever it says, its end is in plain sight.
    ///
    /// ```
    /// use haul_core::Escaped;
    ///
    /// assert_eq!(Escaped::new(r#"a" code=ok"#).quoted().to_string(), r#""a\" code=ok""#);
    /// ```
    #[must_use]
    pub fn quoted(self) -> Self {
        Self { quoted: true, ..self }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ends, double) = if self.quoted { ("\"", "\\\"") } else { ("", "\"") };
        f.write_str(ends)?;
        // `str::escape_debug` knows what cannot be printed; only quotes are kept from it, for most are harmless here.
        let mut rest = self.text;
        while let Some(quote) = rest.find(['"', '\'']) {
            write!(f, "{}", rest[..quote].escape_debug())?;
            f.write_str(if rest[quote..].starts_with('"') { double } else { "'" })?;
            rest = &rest[quote + 1..];
        }
        write!(f, "{}", rest.escape_debug())?;
        if self.cut {
            f.write_char('…')?;
        }
        f.write_str(ends)
    }
}
