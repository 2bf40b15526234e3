//! Makes a text from a peer safe for a terminal or a log.

use core::fmt::{self, Write};

/// Displays a text from a peer so that it cannot control a terminal or forge a line of a log.
///
/// Control characters, bidirectional overrides, unassigned characters and everything that a reader cannot see or cannot
/// distinguish from a space are written as `\u{…}` (`\n`, `\t` and the like in their short form), a backslash as `\\`.
/// Quotes, letters of every script, emoji and the space U+0020 stay as they are. At most [`MAX_CHARS`](Self::MAX_CHARS)
/// characters of the text (or as many as [`cut`](Self::cut) allows) are shown, followed by `…`.
///
/// Invisible characters are those that Unicode calls `Default_Ignorable_Code_Point`. They include variation selectors
/// and the joiners of emoji, so an emoji of several characters is shown in its parts.
///
/// ```
/// use haul_core::Escaped;
///
/// assert_eq!(Escaped::new("a\u{1b}[31m\u{202e}b").to_string(), r"a\u{1b}[31m\u{202e}b");
/// assert_eq!(Escaped::new("a\u{3164}\u{a0}b").to_string(), r"a\u{3164}\u{a0}b");
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
    /// The maximum number of characters shown unless [`cut`](Self::cut) sets fewer: the longest path fits.
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

    /// Puts the text in double quotes, with a backslash before each quote inside, so that its end is visible.
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
        // `str::escape_debug` escapes unprintable characters, but not all invisible ones. Most quotes are harmless
        // here.
        let mut rest = self.text;
        while let Some(at) = rest.find(|c| matches!(c, '"' | '\'') || is_unseen(c)) {
            let (plain, from) = rest.split_at(at);
            write!(f, "{}", plain.escape_debug())?;
            let mut chars = from.chars();
            match chars.next() {
                Some('"') => f.write_str(double)?,
                Some('\'') => f.write_char('\'')?,
                Some(c) => write!(f, "{}", c.escape_unicode())?,
                None => {}
            }
            rest = chars.as_str();
        }
        write!(f, "{}", rest.escape_debug())?;
        if self.cut {
            f.write_char('…')?;
        }
        f.write_str(ends)
    }
}

/// Whether a character has no width, or looks like a space, and is not among those that `str::escape_debug` escapes
/// everywhere.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        // Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, without control and format characters.
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
            // Blank glyphs, for which there is no property: Braille, hieroglyphs, Khitan script, musical notes.
            | '\u{2800}'
            | '\u{13441}'..='\u{13442}'
            | '\u{16fe4}'
            | '\u{1d159}'
    )
}
