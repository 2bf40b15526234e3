//! A typed line: a verb of the protocol in any case, and words quoted as in a shell.
//!
//! The words of other programs' shells, such as ls, get and rm, are aliases of the verbs. The options of the newer
//! verbs are those of the commands.
//!
//! Words in double quotes mean the same as in the protocol. Single quotes, backslashes and comments work as in other
//! shells.

use std::path::PathBuf;

use clap::{Args, Command};
use haul_core::Depth;

use crate::commands::cp::CpArgs;
use crate::commands::mkdir::MkdirArgs;
use crate::commands::mv::MvArgs;
use crate::commands::rm::RmArgs;
use crate::commands::sum::SumArgs;
use crate::error::Error;
use crate::explain::explain;

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// An empty line or a comment.
    Nothing,
    List {
        path: Option<String>,
        depth: Depth,
        long: bool,
    },
    Download {
        name: String,
        to: Option<PathBuf>,
        force: bool,
    },
    Upload {
        file: PathBuf,
        name: Option<String>,
        create: bool,
    },
    Delete(RmArgs),
    MakeDirectory(MkdirArgs),
    Move(MvArgs),
    Copy(CpArgs),
    Checksum(SumArgs),
    /// Change to a directory; `None` is the one where the session began.
    GoTo(Option<String>),
    WhereAmI,
    Help,
    ServerHelp,
    Exit,
}

/// The verbs, in the order of completion.
pub(super) const VERBS: &[&str] = &[
    "BYE", "CD", "CHECKSUM", "COPY", "DELETE", "DOWNLOAD", "EXIT", "HELP", "LIST", "MKDIR", "MOVE",
    "PWD", "QUIT", "UPLOAD",
];

/// The verbs whose words are all names on the server.
pub(super) const TAKES_NAMES: &[&str] = &["CHECKSUM", "COPY", "DELETE", "MKDIR", "MOVE"];

/// The verb of the protocol that a word is an alias of, in upper case; otherwise the word.
pub(in crate::commands) fn canonical(word: &str) -> String {
    let word = word.to_ascii_uppercase();
    let verb = match word.as_str() {
        "LS" | "DIR" => "LIST",
        "GET" => "DOWNLOAD",
        "PUT" => "UPLOAD",
        "RM" | "DEL" => "DELETE",
        "MV" | "REN" | "RENAME" => "MOVE",
        "CP" => "COPY",
        "SUM" => "CHECKSUM",
        _ => return word,
    };
    verb.to_owned()
}

impl Line {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let words = shlex::split(text).ok_or_else(|| {
            Error::usage("a quote is not closed")
                .advise(r#"a quote that is meant itself is written \" or \'"#)
        })?;
        let Some((verb, words)) = words.split_first() else { return Ok(Self::Nothing) };
        let verb_here = canonical(verb);
        match verb_here.as_str() {
            "DELETE" => return args(words, DELETE).map(Self::Delete),
            "MKDIR" => return args(words, MKDIR).map(Self::MakeDirectory),
            "MOVE" => return args(words, MOVE).map(Self::Move),
            "COPY" => return args(words, COPY).map(Self::Copy),
            "CHECKSUM" => return args(words, CHECKSUM).map(Self::Checksum),
            _ => {}
        }
        let (options, words) = split_options(words);
        match verb_here.as_str() {
            "LIST" => list(&options, &words),
            "DOWNLOAD" => download(&options, &words),
            "UPLOAD" => upload(&options, &words),
            "HELP" | "?" => match words[..] {
                [] => Ok(Self::Help),
                [word] if word.eq_ignore_ascii_case("server") => Ok(Self::ServerHelp),
                _ => Err(form("HELP [server]")),
            },
            "EXIT" | "QUIT" | "BYE" if words.is_empty() && options.is_empty() => Ok(Self::Exit),
            "EXIT" | "QUIT" | "BYE" => Err(form("EXIT")),
            "CD" if options.is_empty() && words.len() < 2 => {
                Ok(Self::GoTo(words.first().map(|&name| name.to_owned())))
            }
            "CD" => Err(form("CD [DIR]")),
            "PWD" if words.is_empty() && options.is_empty() => Ok(Self::WhereAmI),
            "PWD" => Err(form("PWD")),
            "LCD" => Err(Error::usage(format!("{verb}: no such command"))
                .advise("files here are named from the directory that the shell was started in")),
            _ => Err(Error::usage(format!("{verb}: no such command")).advise("HELP lists them")),
        }
    }
}

/// Parses `words` as the arguments `A` of a command.
fn args<A: Args>(words: &[String], form: &'static str) -> Result<A, Error> {
    let command = Command::new("").no_binary_name(true).disable_help_flag(true);
    A::augment_args(command)
        .try_get_matches_from(words)
        .and_then(|matches| A::from_arg_matches(&matches))
        .map_err(|error| explain(&error).advise(format!("the form is: {form}")))
}

/// Options may stand anywhere before a `--`; what follows it is no option.
fn split_options(words: &[String]) -> (Vec<&str>, Vec<&str>) {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let is_option =
        |word: &&str| (word.len() > 1 && word.starts_with('-')) || word.starts_with("depth=");
    let (options, mut rest): (Vec<&str>, Vec<&str>) =
        words[..end].iter().map(String::as_str).partition(is_option);
    rest.extend(words[end..].iter().skip(1).map(String::as_str));
    (options, rest)
}

fn list(options: &[&str], words: &[&str]) -> Result<Line, Error> {
    let form = || form("LIST [PATH] [depth=N|all] [-l]");
    let (mut depth, mut long) = (Depth::ONE, false);
    for option in options {
        match option.split_once('=') {
            None if *option == "-l" => long = true,
            Some(("depth", "all")) => depth = Depth::All,
            Some(("depth", levels)) => depth = Depth::Levels(levels.parse().map_err(|_| form())?),
            _ => return Err(form()),
        }
    }
    match *words {
        [] => Ok(Line::List { path: None, depth, long }),
        [path] => Ok(Line::List { path: Some(path.to_owned()), depth, long }),
        _ => Err(form()),
    }
}

fn download(options: &[&str], words: &[&str]) -> Result<Line, Error> {
    let force = match *options {
        [] => false,
        ["-f" | "--force"] => true,
        _ => return Err(form(DOWNLOAD)),
    };
    match *words {
        [name] => Ok(Line::Download { name: name.to_owned(), to: None, force }),
        [name, to, file] if to.eq_ignore_ascii_case("to") => {
            Ok(Line::Download { name: name.to_owned(), to: Some(file.into()), force })
        }
        _ => Err(form(DOWNLOAD)),
    }
}

fn upload(options: &[&str], words: &[&str]) -> Result<Line, Error> {
    let create = match *options {
        [] => false,
        ["--create"] => true,
        _ => return Err(form(UPLOAD)),
    };
    match *words {
        [file] => Ok(Line::Upload { file: file.into(), name: None, create }),
        [file, word, name] if word.eq_ignore_ascii_case("as") => {
            Ok(Line::Upload { file: file.into(), name: Some(name.to_owned()), create })
        }
        _ => Err(form(UPLOAD)),
    }
}

const DOWNLOAD: &str = "DOWNLOAD [-f] NAME [to FILE]";
const UPLOAD: &str = "UPLOAD [--create] FILE [as NAME]";
const DELETE: &str = "DELETE [-r] [-f] NAME...";
const MKDIR: &str = "MKDIR [-p] NAME...";
const MOVE: &str = "MOVE [--create] NAME... TO";
const COPY: &str = "COPY [--create] NAME... TO";
const CHECKSUM: &str = "CHECKSUM [--check [--against HERE]] NAME...";

fn form(form: &'static str) -> Error {
    Error::usage(format!("the form is: {form}")).advise("names with spaces are quoted")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::exit::Exit;

    fn parse(text: &str) -> Line {
        Line::parse(text).unwrap()
    }

    #[test]
    fn verbs_have_any_case_and_words_are_quoted() {
        let download =
            |name: &str| Line::Download { name: name.to_owned(), to: None, force: false };
        assert_eq!(parse("DOWNLOAD a"), download("a"));
        assert_eq!(parse("download 'my file'"), download("my file"));
        assert_eq!(parse(r#"Download "my \"file\"""#), download("my \"file\""));
        assert_eq!(parse(r"download my\ file"), download("my file"));
        assert_eq!(parse("get a"), download("a"));
        assert_eq!(parse("ls a"), parse("LIST a"));
        assert_eq!(parse("put a"), parse("UPLOAD a"));
        for exit in ["EXIT", "quit", "Bye"] {
            assert_eq!(parse(exit), Line::Exit);
        }
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        for nothing in ["", "   \t", "# LIST", "  # 'not a quote"] {
            assert_eq!(parse(nothing), Line::Nothing, "{nothing:?}");
        }
        assert_eq!(parse("EXIT # and go"), Line::Exit);
    }

    #[test]
    fn lists_have_a_depth() {
        let list = |path: Option<&str>, depth, long| Line::List {
            path: path.map(String::from),
            depth,
            long,
        };
        let levels = |n| Depth::Levels(NonZeroU64::new(n).unwrap());
        assert_eq!(parse("list"), list(None, levels(1), false));
        assert_eq!(parse("list a depth=3 -l"), list(Some("a"), levels(3), true));
        assert_eq!(parse("list depth=all a"), list(Some("a"), Depth::All, false));
        assert_eq!(parse("list -- depth=all"), list(Some("depth=all"), levels(1), false));
    }

    #[test]
    fn transfers_name_both_sides() {
        assert_eq!(
            parse("download -f a to b"),
            Line::Download { name: "a".into(), to: Some("b".into()), force: true }
        );
        assert_eq!(
            parse("upload a AS b/c --create"),
            Line::Upload { file: "a".into(), name: Some("b/c".into()), create: true }
        );
        assert_eq!(
            parse("upload -- -f"),
            Line::Upload { file: "-f".into(), name: None, create: false }
        );
    }

    #[test]
    fn the_newer_verbs_have_the_options_of_the_commands() {
        for (line, same) in [
            ("rm -rf a 'b c'", "DELETE --recursive --force a \"b c\""),
            ("del -- -f", "Delete -- -f"),
            ("mkdir -p a", "MKDIR --parents a"),
            ("mv -n a b", "MOVE a b --create"),
            ("ren a b c", "move a b c"),
            ("cp a b --no-clobber", "COPY --create a b"),
            ("sum -c a", "CHECKSUM a --check"),
        ] {
            assert_eq!(parse(line), parse(same), "{line}");
            assert_ne!(parse(line), parse("PWD"));
        }
        assert_eq!(parse("cd 'a b'"), Line::GoTo(Some("a b".into())));
        assert_eq!(parse("cd"), Line::GoTo(None));
        assert_eq!(parse("pwd"), Line::WhereAmI);
    }

    #[test]
    fn what_is_wrong_says_its_form() {
        for (text, part) in [
            ("fetch x", "HELP lists them"),
            ("cd a b", "CD [DIR]"),
            ("cd -x", "CD [DIR]"),
            ("pwd x", "PWD"),
            ("lcd x", "started in"),
            ("rm", "DELETE [-r] [-f] NAME..."),
            ("rm -x a", "unexpected argument '-x'"),
            ("rm -x a", "DELETE [-r] [-f] NAME..."),
            ("mkdir", "MKDIR [-p] NAME..."),
            ("mv a", "MOVE [--create] NAME... TO"),
            ("copy a", "COPY [--create] NAME... TO"),
            ("sum", "CHECKSUM [--check"),
            ("sum --against x a", "--check"),
            ("list a b", "LIST [PATH]"),
            ("list depth=0", "LIST [PATH]"),
            ("list -x", "LIST [PATH]"),
            ("download", "DOWNLOAD [-f]"),
            ("download a b", "DOWNLOAD [-f]"),
            ("download a as b", "DOWNLOAD [-f]"),
            ("upload -f a", "UPLOAD [--create]"),
            ("exit now", "EXIT"),
            ("help me", "HELP [server]"),
            ("download 'a", "quote"),
        ] {
            let error = Line::parse(text).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
