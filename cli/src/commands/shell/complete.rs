//! Completion of verbs, of local names and of names on the server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use haul_core::Escaped;
use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};

use super::line::{TAKES_NAMES, VERBS, canonical};

/// The most names of one directory to offer.
pub(super) const MOST: usize = 1000;

/// The most directories on the server whose names are cached.
const MOST_LISTED: usize = 16;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) is_directory: bool,
}

/// Completes lines. `list` returns the names in a directory on the server; they are cached until they are forgotten.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub(super) struct Completion<F: Fn(&str) -> Vec<Name>> {
    list: F,
    listed: RefCell<HashMap<String, Vec<Name>>>,
}

impl<F: Fn(&str) -> Vec<Name>> Completion<F> {
    pub(super) fn new(list: F) -> Self {
        Self { list, listed: RefCell::default() }
    }

    /// Clears the cache of the server's names: a command may have changed them.
    pub(super) fn forget(&self) {
        self.listed.borrow_mut().clear();
    }

    /// Returns where the word under the cursor begins, and its possible completions.
    fn candidates(&self, before_cursor: &str) -> (usize, Vec<Pair>) {
        let typed = Typed::read(before_cursor);
        let (directory, prefix) =
            typed.word.rsplit_once('/').map_or(("", typed.word.as_str()), |(_, name)| {
                typed.word.split_at(typed.word.len() - name.len())
            });
        let pairs = match typed.wanted() {
            Wanted::Nothing => Vec::new(),
            Wanted::Verb => verbs(&typed.word),
            Wanted::Here => offered(&names_here(directory), directory, prefix),
            Wanted::There => {
                let mut listed = self.listed.borrow_mut();
                if listed.len() >= MOST_LISTED && !listed.contains_key(directory) {
                    listed.clear();
                }
                let names =
                    listed.entry(directory.to_owned()).or_insert_with(|| (self.list)(directory));
                offered(names, directory, prefix)
            }
        };
        (typed.start, pairs)
    }
}

impl<F: Fn(&str) -> Vec<Name>> Completer for Completion<F> {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.candidates(line.get(..pos).unwrap_or(line)))
    }
}

/// A line up to the cursor: complete words, and one that is being typed.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    words: Vec<String>,
    /// Where the last word begins, its quotes included.
    start: usize,
    /// The last word, without its quotes.
    word: String,
}

/// The kind of the word under the cursor.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Verb,
    Here,
    There,
    Nothing,
}

impl Typed {
    /// Splits words as shlex does, but accepts an incomplete last one.
    fn read(text: &str) -> Self {
        let mut typed = Self { words: Vec::new(), start: text.len(), word: String::new() };
        let (mut quote, mut in_word) = (None, false);
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            if !in_word {
                if c.is_ascii_whitespace() {
                    continue;
                }
                (in_word, typed.start) = (true, at);
            }
            match (quote, c) {
                (None, ' ' | '\t') => {
                    typed.words.push(std::mem::take(&mut typed.word));
                    (in_word, typed.start) = (false, text.len());
                }
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None | Some('"'), '\\') => typed.word.extend(chars.next().map(|(_, c)| c)),
                _ => typed.word.push(c),
            }
        }
        typed
    }

    fn wanted(&self) -> Wanted {
        let Some((verb, words)) = self.words.split_first() else { return Wanted::Verb };
        let names: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
        match (canonical(verb).as_str(), &names[..]) {
            ("UPLOAD", []) => Wanted::Here,
            ("DOWNLOAD", [_, to]) if to.eq_ignore_ascii_case("to") => Wanted::Here,
            ("LIST" | "DOWNLOAD" | "CD", []) => Wanted::There,
            (verb, _) if TAKES_NAMES.contains(&verb) => Wanted::There,
            ("UPLOAD", [_, word]) if word.eq_ignore_ascii_case("as") => Wanted::There,
            _ => Wanted::Nothing,
        }
    }
}

fn verbs(typed: &str) -> Vec<Pair> {
    let lower = typed.chars().any(char::is_lowercase);
    let cased = |verb: &str| if lower { verb.to_lowercase() } else { verb.to_owned() };
    VERBS
        .iter()
        .filter(|verb| verb.starts_with(&typed.to_ascii_uppercase()))
        .map(|verb| Pair { display: cased(verb), replacement: cased(verb) + " " })
        .collect()
}

/// Those of `names`, all in `directory` (empty, or with a `/` at its end), that begin with `prefix`.
fn offered(names: &[Name], directory: &str, prefix: &str) -> Vec<Pair> {
    names
        .iter()
        .filter(|name| name.name.starts_with(prefix))
        // A name that could control the terminal is not inserted into the edited line.
        .filter(|name| Escaped::new(&name.name).to_string() == name.name)
        .filter_map(|Name { name, is_directory }| {
            let slash = if *is_directory { "/" } else { "" };
            let replacement =
                shlex::try_quote(&format!("{directory}{name}{slash}")).ok()?.into_owned();
            Some(Pair { display: format!("{name}{slash}"), replacement })
        })
        .collect()
}

/// The content of a local directory. An unreadable one offers nothing.
fn names_here(directory: &str) -> Vec<Name> {
    let directory = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<Name> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(Name { name, is_directory: entry.path().is_dir() })
        })
        .take(MOST)
        .collect();
    names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    names
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn name(name: &str, is_directory: bool) -> Name {
        Name { name: name.to_owned(), is_directory }
    }

    fn replacements(before_cursor: &str, names: &[Name]) -> (usize, Vec<String>) {
        let completion = Completion::new(|_: &str| names.to_vec());
        let (start, pairs) = completion.candidates(before_cursor);
        (start, pairs.into_iter().map(|pair| pair.replacement).collect())
    }

    #[test]
    fn verbs_keep_their_case() {
        assert_eq!(replacements("", &[]).1.len(), VERBS.len());
        assert_eq!(replacements("DO", &[]), (0, vec!["DOWNLOAD ".to_owned()]));
        assert_eq!(replacements("  up", &[]), (2, vec!["upload ".to_owned()]));
    }

    #[test]
    fn names_of_the_server_are_quoted_and_escaped_ones_left_out() {
        let names = [
            name("my file", false),
            name("my dir", true),
            name("me", false),
            name("my\u{202e}", false),
        ];
        let expected = vec!["'my file'".to_owned(), "'my dir/'".to_owned()];
        for (line, start) in
            [("list my", 5), ("download 'my ", 9), (r"download my\ ", 9), ("DOWNLOAD -f \"my", 12)]
        {
            assert_eq!(replacements(line, &names), (start, expected.clone()), "{line}");
        }
        assert_eq!(replacements("get my", &names), (4, expected.clone()));
        for line in ["cd my", "rm -r a my", "mv a my", "cp a my", "mkdir my", "sum --check my"] {
            assert_eq!(replacements(line, &names).1, expected, "{line}");
        }
        assert_eq!(replacements("upload x as a/me", &names), (12, vec!["a/me".to_owned()]));
        assert_eq!(
            replacements("list 'my dir/'m", &[name("m", false)]),
            (5, vec!["'my dir/m'".to_owned()])
        );
    }

    #[test]
    fn a_directory_is_asked_for_once_until_it_is_forgotten() {
        let asked = Cell::new(0);
        let completion = Completion::new(|directory: &str| {
            assert_eq!(directory, "a/");
            asked.set(asked.get() + 1);
            vec![name("x", false)]
        });
        completion.candidates("list a/");
        completion.candidates("list a/x");
        assert_eq!(asked.get(), 1);
        completion.forget();
        completion.candidates("list a/");
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn no_more_than_some_directories_are_remembered() {
        let completion = Completion::new(|_: &str| vec![name("x", false)]);
        for number in 0..1000 {
            completion.candidates(&format!("list {number}/"));
            assert!(completion.listed.borrow().len() <= MOST_LISTED);
        }
    }

    #[test]
    fn names_here_are_offered_where_a_file_here_is_meant() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("notes one"), "").unwrap();
        fs::create_dir(directory.path().join("notes two")).unwrap();
        let here = directory.path().to_str().unwrap();
        let expected = vec![format!("'{here}/notes one'"), format!("'{here}/notes two/'")];
        assert_eq!(replacements(&format!("upload {here}/no"), &[]).1, expected);
        assert_eq!(replacements(&format!("download x to {here}/no"), &[]).1, expected);
        assert_eq!(replacements("upload /no/such/place/", &[]).1, Vec::<String>::new());
    }

    #[test]
    fn where_no_name_belongs_none_is_offered() {
        let names = [name("x", false)];
        for line in ["list a ", "download a ", "cd a ", "pwd ", "exit ", "frob "] {
            assert_eq!(replacements(line, &names).1, Vec::<String>::new(), "{line}");
        }
    }
}
