//! Names.

use haul_core::{Escaped, FilePath};
use haul_harness::reference_parser;

/// Parses the text before and after the first NUL as names, and joins the two.
///
/// # Panics
/// When a name is accepted or refused against a simple check of the rules, splitting and joining changes it, or its
/// text for people could harm a terminal.
pub fn paths(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, second) = text.split_once('\0').unwrap_or((text, ""));
    let (path, joined) = (read(first), read(&format!("{first}/{second}")));
    read(text);
    if let (Some(path), false) = (path, second.contains('/')) {
        assert_eq!(path.join(second).ok(), joined, "{first:?} and {second:?}");
    }
}

/// Parses a name.
pub(super) fn read(text: &str) -> Option<FilePath> {
    let path = FilePath::parse(text);
    assert_eq!(path.is_ok(), reference_parser::is_path(text), "{text:?}");
    let escaped = Escaped::new(text).to_string();
    assert!(
        !escaped.contains(|c: char| c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')),
        "{text:?}"
    );
    let path = path.ok()?;
    assert_eq!(path.as_str(), text);
    assert!(path.components().eq(text.split('/')));
    assert_eq!(path.is_hidden(), text.split('/').any(|part| part.starts_with('.')));
    let whole = match path.parent() {
        Some(parent) => parent.join(path.file_name()),
        None => FilePath::parse(path.file_name()),
    };
    assert_eq!(whole.as_ref(), Ok(&path));
    Some(path)
}
