//! Names that begin with a dot, which a server may refuse.

use std::collections::HashSet;
use std::fmt;

use haul_core::FilePath;
use haul_store::is_reserved;

/// The refused names. A server accepts all such names or none, so one refusal decides.
#[derive(Debug, Default)]
pub(super) struct Dots {
    refused: bool,
    /// The directories that were reported with all their content.
    told: HashSet<FilePath>,
}

impl Dots {
    pub(super) fn are_refused(&self) -> bool {
        self.refused
    }

    /// Records that a file is left out because of this name. Returns whether to report it.
    pub(super) fn refuse(&mut self, dotted: &Dotted) -> bool {
        self.refused = true;
        dotted.is_file || self.told.insert(dotted.name.clone())
    }
}

/// The topmost name in a path that begins with a dot. It stands for everything below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dotted {
    name: FilePath,
    is_file: bool,
}

impl Dotted {
    /// The one in the path of a file below the directory `above`, if any. A path with a name that Haul reserves is
    /// refused for that reason instead.
    pub(crate) fn new(above: Option<&FilePath>, path: &FilePath) -> Option<Self> {
        if path.components().any(is_reserved) {
            return None;
        }
        let text = path.as_str();
        let from = above.map_or(0, |above| above.as_str().len() + 1);
        let sent = text.get(from..)?;
        let begin = if sent.starts_with('.') { 0 } else { sent.find("/.")? + 1 };
        let end = sent[begin..].find('/').map_or(text.len(), |slash| from + begin + slash);
        let name = FilePath::parse(&text[..end]).ok()?;
        Some(Self { is_file: name == *path, name })
    }
}

impl fmt::Display for Dotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escaped();
        write!(f, "{name}: left out: this server takes no names that begin with a dot")?;
        f.write_str(" (serve --hidden takes them)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_hidden_name_stands_for_all_below() {
        let path = |text: &str| FilePath::parse(text).unwrap();
        let found = |above: Option<&str>, text: &str| {
            let dotted = Dotted::new(above.map(path).as_ref(), &path(text))?;
            Some((String::from(dotted.name), dotted.is_file))
        };
        let directory = |name: &str| Some((name.to_owned(), false));
        assert_eq!(found(None, "a/b.c/d"), None);
        assert_eq!(found(None, ".git/x/.y"), directory(".git"));
        assert_eq!(found(None, "a/b/.git/x"), directory("a/b/.git"));
        assert_eq!(found(None, "a/.env"), Some(("a/.env".to_owned(), true)));
        assert_eq!(found(Some(".x"), ".x/a"), None);
        assert_eq!(found(Some("a"), "a/.git/x"), directory("a/.git"));
        assert_eq!(found(Some(".haul-staging"), ".haul-staging/.git/x"), None);
    }
}
