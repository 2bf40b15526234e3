//! `--exclude`: the files that a recursive transfer leaves out on request.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern, as in rsync.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    glob: GlobMatcher,
    /// It matches paths from the top, not names at any depth.
    from_top: bool,
    /// It matches directories only.
    directories: bool,
}

impl FromStr for Pattern {
    type Err = globset::Error;

    fn from_str(text: &str) -> Result<Self, globset::Error> {
        let (text, directories) = match text.strip_suffix('/') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let from_top = text.contains('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let glob = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Self { glob, from_top, directories })
    }
}

impl Pattern {
    fn matches(&self, path: &str, is_directory: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        (is_directory || !self.directories)
            && self.glob.is_match(if self.from_top { path } else { name })
    }
}

/// Whether `path`, from the top of the transferred tree, is left out: because it matches, or a directory above it does.
pub(crate) fn is_excluded(patterns: &[Pattern], path: &str, is_directory: bool) -> bool {
    let above = path.match_indices('/').map(|(end, _)| (&path[..end], true));
    !patterns.is_empty()
        && above.chain([(path, is_directory)]).any(|(path, is_directory)| {
            patterns.iter().any(|pattern| pattern.matches(path, is_directory))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_about_names_or_about_paths_from_the_top() {
        let excluded =
            |pattern: &str, path: &str| is_excluded(&[pattern.parse().unwrap()], path, false);
        for (pattern, path) in [
            ("*.o", "a.o"),
            ("*.o", "a/b/c.o"),
            (".git", ".git/objects/x"),
            (".git/", "a/.git/config"),
            ("a/*.o", "a/b.o"),
            ("/a", "a/b/c"),
            ("**/x", "a/b/x"),
            ("{b,c}", "a/c"),
        ] {
            assert!(excluded(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.o", "a.rs"),
            ("*.o", "a.object/b"),
            (".git/", "a/.git"),
            ("a/*.o", "a/b/c.o"),
            ("a/*.o", "x/a/b.o"),
            ("/a", "b/a"),
        ] {
            assert!(!excluded(pattern, path), "{pattern} {path}");
        }
        assert!("[".parse::<Pattern>().is_err());
        assert!(is_excluded(&["a/".parse().unwrap()], "a", true));
    }
}
